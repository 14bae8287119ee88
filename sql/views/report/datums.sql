-- Each datum with its state and its latest attempt. Costs the size of the job that is asked for by job_id
-- or job_name; without either, all jobs. One datum by its id: falconeri.describe_datum, at once.
create view report.datums as
select
  d.id as datum_id, j.id as job_id, j.job_name, d.status::text as status,
  d.attempted_run_count as attempts, d.maximum_allowed_run_count as max_tries,
  d.pod_name, d.node_name, d.updated_at, d.error_message, d.output,
  d.inputs
from falconeri.datum_states d
join falconeri.jobs j on j.job_no = d.job_no and j.deleted_at is null;
comment on view report.datums is 'Each datum with its state and its latest attempt. Costs the job''s size.';
comment on column report.datums.attempts is 'Those begun, the current one included.';
comment on column report.datums.max_tries is 'How often its program may fail. Losses (of a worker, of storage) don''t count.';
comment on column report.datums.pod_name is 'The pod that has it, or that had it last.';
comment on column report.datums.updated_at is 'When its current attempt began or its last one ended.';
comment on column report.datums.error_message is 'Of the latest attempt, unless that was a success.';
comment on column report.datums.output is 'What the latest ended attempt wrote to stdout and stderr, shortened.';
comment on column report.datums.inputs is '[{"uri": …, "local_path": …}, …]';
