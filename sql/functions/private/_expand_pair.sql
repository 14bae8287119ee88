-- Appends each combination of two factors, the left one changing most slowly, to the job's datums or to
-- another factor.
--   p_left, p_right   factors with rows
--   p_into            the number of a factor; null: the datums
-- Returns how many rows were made.
create function falconeri._expand_pair(
  p_job_no bigint, p_left integer, p_right integer, p_into integer
) returns bigint
language plpgsql volatile as $$
declare
  v_width bigint := falconeri._factor_size(p_job_no, p_right);
  v_before bigint;
  v_count bigint;
begin
  -- A left join with nothing to join on: the planner has to walk through the left factor once and through
  -- the right one for each of its rows. So the rows come in the order of their numbers, one at a time,
  -- nothing has to be sorted, and the key's index grows at its end.
  if p_into is null then
    select coalesce(max(d.seq), 0) into v_before
    from falconeri.datums d where d.job_no = p_job_no;
    insert into falconeri.datums (job_no, seq, inputs)
    select p_job_no, v_before + (l.ordinal - 1) * v_width + r.ordinal, l.inputs || r.inputs
    from falconeri.factors l
    left join falconeri.factors r on r.job_no = p_job_no and r.factor = p_right
    where l.job_no = p_job_no and l.factor = p_left;
  else
    v_before := falconeri._factor_size(p_job_no, p_into);
    insert into falconeri.factors (job_no, factor, ordinal, inputs)
    select p_job_no, p_into, v_before + (l.ordinal - 1) * v_width + r.ordinal, l.inputs || r.inputs
    from falconeri.factors l
    left join falconeri.factors r on r.job_no = p_job_no and r.factor = p_right
    where l.job_no = p_job_no and l.factor = p_left;
  end if;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function falconeri._expand_pair(bigint, integer, integer, integer)
is 'Appends each combination of two factors, the left one changing most slowly.';
