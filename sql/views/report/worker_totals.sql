-- What each pod has done so far. Costs the size of the jobs looked at: it reads their attempts.
create view report.worker_totals as
select
  j.id as job_id, j.job_name, w.pod_name, w.node_name,
  count(*) filter (where a.outcome in ('done', 'recovered')) as attempts_done,
  count(*) filter (where a.outcome = 'error') as attempts_failed,
  count(*) filter (where a.outcome = 'canceled') as attempts_canceled,
  round(sum(extract(epoch from a.finished_at - a.started_at)), 3) as busy_s,
  round(sum(a.cpu_s)::numeric, 3) as cpu_s,
  sum(a.bytes_in)::bigint as bytes_in, sum(a.bytes_out)::bigint as bytes_out,
  max(a.peak_memory_bytes) as peak_memory_bytes, max(a.finished_at) as last_finished_at
from falconeri.attempts a
join falconeri.workers w on w.worker_no = a.worker_no
join falconeri.jobs j on j.job_no = a.job_no and j.deleted_at is null
group by j.id, j.job_name, w.pod_name, w.node_name;
comment on view report.worker_totals is 'What each pod has done so far. Costs the size of the jobs looked at.';
comment on column report.worker_totals.job_id is 'The job''s public id.';
comment on column report.worker_totals.job_name is 'The job''s name, which is unique.';
comment on column report.worker_totals.pod_name is 'The pod. One that has ended no attempt has no row.';
comment on column report.worker_totals.node_name is 'The node that it runs or ran on.';
comment on column report.worker_totals.attempts_done is 'Its attempts whose datum was done, recovered ones included.';
comment on column report.worker_totals.attempts_failed is 'Its failed attempts, also those whose datum was done later.';
comment on column report.worker_totals.attempts_canceled is 'Its attempts that were stopped with the job.';
comment on column report.worker_totals.busy_s is 'Seconds spent on attempts, also on failed ones; several at once count each.';
comment on column report.worker_totals.cpu_s is 'Processor seconds, as far as workers measured them; null: of no attempt.';
comment on column report.worker_totals.bytes_in is 'Bytes of inputs that it fetched, as far as known; null: of no attempt.';
comment on column report.worker_totals.bytes_out is 'Bytes of outputs that it uploaded, as far as known; null: of no attempt.';
comment on column report.worker_totals.peak_memory_bytes is 'The most bytes of memory that one process of an attempt had at once; null: never measured.';
comment on column report.worker_totals.last_finished_at is 'When its latest attempt ended.';
