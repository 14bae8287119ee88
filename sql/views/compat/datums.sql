-- The table `datums` of falconeri 2.0.0-alpha.5, for SQL that was written against it. Times are UTC, without
-- a zone. Costs the size of the job that is asked for by job_id; without it, all jobs: ids are computed.
create view compat.datums as
select
  d.id, d.created_at at time zone 'UTC' as created_at, d.updated_at at time zone 'UTC' as updated_at,
  d.status, d.job_id, d.error_message, d.node_name, d.pod_name, d.backtrace, d.output,
  d.attempted_run_count, d.maximum_allowed_run_count
from falconeri.datum_states d
join falconeri.jobs j on j.job_no = d.job_no and j.deleted_at is null;
comment on view compat.datums is 'The original''s table `datums`, to read.';
