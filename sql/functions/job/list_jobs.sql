-- All jobs, newest first.
-- Returns 0..n rows.   Locks: nothing.
create function falconeri.list_jobs() returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.job_status,
  pipeline_spec jsonb, job_name text, command text[], egress_uri text, error_message text
)
language sql stable
begin atomic
  select j.id, j.created_at, j.updated_at, j.status, j.pipeline_spec, j.job_name, j.command,
    j.egress_uri, j.error_message
  from falconeri.jobs j where j.deleted_at is null order by j.job_no desc;
end;
comment on function falconeri.list_jobs() is 'All jobs, newest first.';
