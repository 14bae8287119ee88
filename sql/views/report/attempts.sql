-- Every try at a datum that has ended; those that run are in report.workers. Costs the size of the job that
-- is asked for by job_id or job_name; without either, all jobs. With outcome = 'error': its failures only.
create view report.attempts as
select
  falconeri._datum_id(a.job_no, a.seq) as datum_id, j.id as job_id, j.job_name, a.attempt,
  -- Not cast to text: so the index over failures can serve a condition on it.
  a.outcome, a.final, a.failure_class::text as failure_class, a.error_message, a.exit_code, a.signal,
  w.pod_name, w.node_name, a.started_at, a.finished_at,
  round(extract(epoch from a.finished_at - a.started_at), 3) as duration_s,
  a.bytes_in, a.bytes_out, a.cpu_s, a.peak_memory_bytes, a.output, a.backtrace, w.rung
from falconeri.attempts a
join falconeri.jobs j on j.job_no = a.job_no and j.deleted_at is null
join falconeri.workers w on w.worker_no = a.worker_no;
comment on view report.attempts is 'Every try at a datum that has ended. Costs the job''s size.';
comment on column report.attempts.outcome is 'done, recovered, error or canceled; recovered: it failed for the last time, but its err_cmd did not.';
comment on column report.attempts.final is 'This attempt decided the datum.';
comment on column report.attempts.cpu_s is 'Processor seconds; null: not measured, as all that follow.';
comment on column report.attempts.output is 'What it wrote to stdout and stderr, shortened.';
comment on column report.attempts.rung is 'How much memory its worker had: see report.rungs. 0 without a ladder.';
