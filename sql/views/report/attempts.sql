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
comment on column report.attempts.datum_id is 'The datum''s public id.';
comment on column report.attempts.job_id is 'The job''s public id.';
comment on column report.attempts.job_name is 'The job''s name, which is unique.';
comment on column report.attempts.attempt is 'Which try at its datum it was, from 1.';
comment on column report.attempts.outcome is 'done, recovered, error or canceled; recovered: it failed for the last time, but its err_cmd did not.';
comment on column report.attempts.final is 'This attempt decided the datum.';
comment on column report.attempts.failure_class is 'Whose fault it was: command, timeout, out_of_memory, lost_worker, evicted, storage or internal; null: it did not fail.';
comment on column report.attempts.error_message is 'What went wrong, or why it was canceled; null: it was done.';
comment on column report.attempts.exit_code is 'Of its program; null: a signal ended that, it goes on (resident), or nobody knows.';
comment on column report.attempts.signal is 'The number of the signal that ended its program; null: none did, or nobody knows.';
comment on column report.attempts.pod_name is 'The pod that made it.';
comment on column report.attempts.node_name is 'The node that this pod ran on.';
comment on column report.attempts.started_at is 'When the pod got the datum.';
comment on column report.attempts.finished_at is 'When its end was reported or noticed.';
comment on column report.attempts.duration_s is 'Seconds between the two: the transfers, and waiting while another datum''s program ran, included.';
comment on column report.attempts.bytes_in is 'Bytes of inputs fetched; null: it didn''t come so far, or its worker didn''t say.';
comment on column report.attempts.bytes_out is 'Bytes of outputs uploaded; null: it didn''t come so far, or its worker didn''t say.';
comment on column report.attempts.cpu_s is 'Processor seconds of its program; null: not measured.';
comment on column report.attempts.peak_memory_bytes is 'The most bytes of memory that one of its processes had at once; null: not measured.';
comment on column report.attempts.output is 'What it wrote to stdout and stderr, shortened.';
comment on column report.attempts.backtrace is 'Where the worker itself failed; null: it did not, or didn''t say.';
comment on column report.attempts.rung is 'How much memory its worker had: see report.rungs. 0 without a ladder.';
