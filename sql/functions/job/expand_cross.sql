-- Makes each combination of one row of each factor, the first factor changing most slowly, and appends
-- them in this order to the new job's datums or to another factor. The factors are used up.
--   p_factors   at least two numbers of factors
--   p_into      the number of a factor; null: the datums
-- Returns how many rows were made: none if a factor has none. `count_datums` has seen to it that they are
-- not too many.
-- Raises ZF009 invalid_input if two files of a combination would share a local path.
-- Locks: nothing; all rows are the caller's own.
create function falconeri.expand_cross(p_job_no bigint, p_factors integer[], p_into integer)
returns bigint
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_factors integer[] := p_factors;
  v_sizes bigint[];
  v_product integer;
  v_at integer;
  v_count bigint := 0;
begin
  select array_agg(falconeri._factor_size(p_job_no, f.factor) order by f.place) into v_sizes
  from unnest(p_factors) with ordinality f (factor, place);
  if 0 <> all (v_sizes) then
    perform falconeri._refuse_shared_paths(p_job_no, p_factors);
    while cardinality(v_factors) > 2 loop
      -- The neighbours with the smallest product: it is only written to be read again.
      select i into v_at from generate_series(1, cardinality(v_factors) - 1) i
      order by v_sizes[i] * v_sizes[i + 1], i limit 1;
      v_product := -cardinality(v_factors);
      v_count := falconeri._expand_pair(p_job_no, v_factors[v_at], v_factors[v_at + 1], v_product);
      v_factors := v_factors[:v_at - 1] || v_product || v_factors[v_at + 2:];
      v_sizes := v_sizes[:v_at - 1] || v_count || v_sizes[v_at + 2:];
    end loop;
    v_count := falconeri._expand_pair(p_job_no, v_factors[1], v_factors[2], p_into);
  end if;
  delete from falconeri.factors f
  where f.job_no = p_job_no and (f.factor = any (p_factors) or f.factor < 0);
  return v_count;
end
$$;
comment on function falconeri.expand_cross(bigint, integer[], integer)
is 'Makes each combination of one row of each factor, the first factor changing most slowly.';
