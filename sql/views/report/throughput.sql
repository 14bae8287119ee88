-- What ended in each minute of a job. Costs the size of the job that is asked for by job_id or job_name:
-- it reads all its attempts, since no index has their time; without either, all jobs.
create view report.throughput as
select
  j.id as job_id, j.job_name, date_trunc('minute', a.finished_at) as minute,
  count(*) filter (where a.outcome in ('done', 'recovered')) as done,
  count(*) filter (where a.outcome = 'error') as failed,
  count(distinct a.worker_no) as workers,
  round(sum(extract(epoch from a.finished_at - a.started_at)), 3) as busy_s,
  sum(a.bytes_in)::bigint as bytes_in, sum(a.bytes_out)::bigint as bytes_out
from falconeri.attempts a
join falconeri.jobs j on j.job_no = a.job_no and j.deleted_at is null
group by j.id, j.job_name, date_trunc('minute', a.finished_at);
comment on view report.throughput is 'What ended in each minute of a job. Costs the job''s size.';
comment on column report.throughput.job_id is 'The job''s public id.';
comment on column report.throughput.job_name is 'The job''s name, which is unique.';
comment on column report.throughput.minute is 'Its beginning. Minutes in which nothing ended have no row.';
comment on column report.throughput.done is 'Attempts whose datum was done, recovered ones included.';
comment on column report.throughput.failed is 'Failed attempts, also those whose datum was done later.';
comment on column report.throughput.workers is 'Pods that ended an attempt in it.';
comment on column report.throughput.busy_s is 'Seconds spent on these attempts, whenever they began.';
comment on column report.throughput.bytes_in is 'Bytes of inputs that these attempts fetched, as far as known; null: of none.';
comment on column report.throughput.bytes_out is 'Bytes of outputs that they uploaded, as far as known; null: of none.';
