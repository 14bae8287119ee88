-- What all running jobs have before them, for monitoring: the sum of their shards, however many datums.
-- Returns one row.   Locks: nothing.
create function falconeri.count_work() returns table (
  running_jobs bigint, ready_datums bigint, running_datums bigint
)
language sql stable
begin atomic
  select count(distinct j.job_no), coalesce(sum(s.open - s.running), 0)::bigint,
    coalesce(sum(s.running), 0)::bigint
  from falconeri.jobs j left join falconeri.shards s using (job_no)
  where j.status = 'running';
end;
comment on function falconeri.count_work() is 'What all running jobs have before them, for monitoring.';
