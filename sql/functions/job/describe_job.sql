-- All about one job but its datums.
-- Returns one row.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.describe_job(p_job_id uuid) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.job_status,
  pipeline_spec jsonb, job_name text, command text[], egress_uri text, error_message text, paused boolean
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  j falconeri.jobs := falconeri._require_job(p_job_id);
begin
  return query select j.id, j.created_at, j.updated_at, j.status, j.pipeline_spec, j.job_name, j.command,
    j.egress_uri, j.error_message, j.paused;
end
$$;
comment on function falconeri.describe_job(uuid) is 'All about one job but its datums.';
