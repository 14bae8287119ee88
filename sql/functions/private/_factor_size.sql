-- How many datums a factor has: they are numbered from 1 without gaps.
create function falconeri._factor_size(p_job_no bigint, p_factor integer) returns bigint
language sql volatile
begin atomic
  select coalesce((
    select f.first_seq + jsonb_array_length(f.inputs) - 1 from falconeri.factors f
    where f.job_no = p_job_no and f.factor = p_factor order by f.first_seq desc limit 1
  ), 0);
end;
comment on function falconeri._factor_size(bigint, integer)
is 'How many datums a factor has: they are numbered from 1 without gaps.';
