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
comment on column report.datums.datum_id is 'The datum''s public id.';
comment on column report.datums.job_id is 'The job''s public id.';
comment on column report.datums.job_name is 'The job''s name, which is unique.';
comment on column report.datums.status is 'ready, running, done, error or canceled.';
comment on column report.datums.attempts is 'Those begun, the current one included.';
comment on column report.datums.max_tries is 'How often its program may fail. Losses (of a worker, of storage) don''t count.';
comment on column report.datums.pod_name is 'The pod that has it, or that had it last; null: none so far.';
comment on column report.datums.node_name is 'The node of this pod; null: none so far.';
comment on column report.datums.updated_at is 'When its current attempt began or its last one ended; before the first, when its job was created.';
comment on column report.datums.error_message is 'Of the latest ended attempt; null: there is none, or it was a success.';
comment on column report.datums.output is 'What the latest ended attempt wrote to stdout and stderr, shortened; null: none has ended.';
comment on column report.datums.inputs is '[{"uri": …, "local_path": …}, …]';
