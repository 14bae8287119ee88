-- Makes a pod known that will send heartbeats, and tells it what it needs to know of its job.
-- Returns one row; a repeat is fine.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.register_worker(p_job_id uuid, p_pod_name text, p_node_name text)
returns table (
  job_id uuid, job_name text, status falconeri.job_status, command text[], egress_uri text,
  lease_s integer, pipelining boolean, program jsonb
)
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  if v_job.status = 'running' then
    perform falconeri._worker_no(v_job, p_pod_name, p_node_name, true);
  end if;
  return query
  select v_job.id, v_job.job_name, v_job.status, v_job.command, v_job.egress_uri, v_job.lease_s,
    coalesce((v_job.pipeline_spec ->> 'pipelining')::boolean, true),
    falconeri._program_options(v_job.pipeline_spec);
end
$$;
comment on function falconeri.register_worker(uuid, text, text)
is 'Makes a pod known that will send heartbeats, and tells it what it needs to know of its job.';
