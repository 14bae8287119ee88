-- Counts the datums of a plan, before any of them is made, and refuses what would be too many.
--   p_plan         a number: an atom with so many; {"union": [plan, …]}: the sum of its parts;
--                  {"cross": [plan, …]}: their product, and none without parts
--   p_max_datums   neither the plan nor any part of it may have more
-- Returns the number of datums.
-- Raises ZF011 too_many_datums, whose detail says how so many come together.   Locks: nothing.
create function falconeri.count_datums(p_plan jsonb, p_max_datums bigint) returns bigint
language plpgsql immutable set search_path = falconeri, pg_temp as $$
declare
  v_is_cross boolean := p_plan ? 'cross';
  v_sizes bigint[];
  v_size bigint;
  v_count numeric;
begin
  if jsonb_typeof(p_plan) = 'number' then
    v_sizes := array[p_plan::bigint];
  else
    select coalesce(array_agg(falconeri.count_datums(part, p_max_datums) order by place), '{}')
    into v_sizes
    from jsonb_array_elements(coalesce(p_plan -> 'cross', p_plan -> 'union'))
      with ordinality parts (part, place);
  end if;
  v_count := case when v_is_cross and cardinality(v_sizes) > 0 then 1 else 0 end;
  foreach v_size in array v_sizes loop
    -- Not beyond what a person reads: a thousand factors would make a number of pages.
    v_count := case when v_is_cross then least(v_count * v_size, 1e30) else v_count + v_size end;
  end loop;
  if v_count > p_max_datums then
    raise exception using errcode = 'ZF011', message = 'too many datums',
      detail = falconeri._size_text(v_sizes, case when v_is_cross then ' × ' else ' + ' end, v_count)
        || ' datums, the limit is ' || falconeri._grouped(p_max_datums);
  end if;
  return v_count;
end
$$;
comment on function falconeri.count_datums(jsonb, bigint)
is 'Counts the datums of a plan, before any of them is made, and refuses what would be too many.';
