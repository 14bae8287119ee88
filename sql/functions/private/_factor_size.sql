-- How many rows a factor has: they are numbered from 1 without gaps.
create function falconeri._factor_size(p_job_no bigint, p_factor integer) returns bigint
language sql volatile
begin atomic
  select coalesce(max(f.ordinal), 0) from falconeri.factors f
  where f.job_no = p_job_no and f.factor = p_factor;
end;
comment on function falconeri._factor_size(bigint, integer)
is 'How many rows a factor has: they are numbered from 1 without gaps.';
