-- Appends each combination of two factors, the left one changing most slowly, to the job's datums or to
-- another factor.
--   p_left, p_right   factors with datums
--   p_into            the number of a factor; null: the datums
-- Returns how many were made.
create function falconeri._expand_pair(
  p_job_no bigint, p_left integer, p_right integer, p_into integer
) returns bigint
language plpgsql volatile as $$
declare
  v_width bigint := falconeri._factor_size(p_job_no, p_right);
  v_before bigint := case
    when p_into is null then falconeri._last_datum(p_job_no) else falconeri._factor_size(p_job_no, p_into)
  end;
begin
  -- A left join with nothing to join on: the planner has to walk through the left factor once and through
  -- the right one for each of its datums. So the rows come in the order of their numbers, one at a time,
  -- nothing has to be sorted, and the key's index grows at its end.
  if p_into is null then
    insert into falconeri.datum_chunks (job_no, first_seq, inputs)
    select p_job_no, v_before + (c.first_seq + l.place - 2) * v_width + r.first_seq,
      falconeri._joined(l.inputs, r.inputs)
    from falconeri.factors c
    cross join lateral jsonb_array_elements(c.inputs) with ordinality l (inputs, place)
    left join falconeri.factors r on r.job_no = p_job_no and r.factor = p_right
    where c.job_no = p_job_no and c.factor = p_left;
  else
    insert into falconeri.factors (job_no, factor, first_seq, inputs)
    select p_job_no, p_into, v_before + (c.first_seq + l.place - 2) * v_width + r.first_seq,
      falconeri._joined(l.inputs, r.inputs)
    from falconeri.factors c
    cross join lateral jsonb_array_elements(c.inputs) with ordinality l (inputs, place)
    left join falconeri.factors r on r.job_no = p_job_no and r.factor = p_right
    where c.job_no = p_job_no and c.factor = p_left;
  end if;
  return falconeri._factor_size(p_job_no, p_left) * v_width;
end
$$;
comment on function falconeri._expand_pair(bigint, integer, integer, integer)
is 'Appends each combination of two factors, the left one changing most slowly.';
