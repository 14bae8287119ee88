-- Refuses factors as `expand_cross` does, for a plan of which nothing is made: their combinations are not
-- written. The factors are used up; all their rows become rows of another one, whose combinations with
-- others are then checked.
--   p_factors   at least two numbers of factors
--   p_into      the number of a factor; null: the rows are not needed any more
-- Returns how many rows that one got: none if a factor has none, as there is no combination then.
-- Raises ZF009 invalid_input if two files of a combination would share a local path.
-- Locks: nothing; all rows are the caller's own.
create function falconeri.check_cross(p_job_no bigint, p_factors integer[], p_into integer)
returns bigint
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_sizes bigint[];
  v_before bigint;
  v_count bigint := 0;
begin
  select array_agg(falconeri._factor_size(p_job_no, f.factor)) into v_sizes
  from unnest(p_factors) f (factor);
  if 0 <> all (v_sizes) then
    perform falconeri._refuse_shared_paths(p_job_no, p_factors);
    if p_into is not null then
      v_before := falconeri._factor_size(p_job_no, p_into);
      insert into falconeri.factors (job_no, factor, first_seq, inputs)
      select p_job_no, p_into,
        v_before + 1 + coalesce(sum(jsonb_array_length(f.inputs)) over before, 0), f.inputs
      from falconeri.factors f
      where f.job_no = p_job_no and f.factor = any (p_factors)
      window before as (
        order by f.factor, f.first_seq rows between unbounded preceding and 1 preceding
      );
      v_count := falconeri._factor_size(p_job_no, p_into) - v_before;
    end if;
  end if;
  delete from falconeri.factors f where f.job_no = p_job_no and f.factor = any (p_factors);
  return v_count;
end
$$;
comment on function falconeri.check_cross(bigint, integer[], integer)
is 'Refuses factors as `expand_cross` does, for a plan of which nothing is made.';
