-- Makes a pod known that will send heartbeats, and tells it what it needs to know of its job.
--   p_rung   how much memory it has: a rung of the job's ladder; it gets datums of this one only, and
--            keeps it whatever it says later
-- Returns one row; a repeat is fine.
-- Raises ZF001 job_not_found, ZF009 invalid_input for a rung that the job doesn't have.   Locks: nothing.
create function falconeri.register_worker(
  p_job_id uuid, p_pod_name text, p_node_name text, p_rung smallint default 0
) returns table (
  job_id uuid, job_name text, status falconeri.job_status, command text[], egress_uri text,
  lease_s integer, pipelining boolean, program jsonb
)
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  if p_rung <> 0 and not exists (
    select from falconeri.rungs r where r.job_no = v_job.job_no and r.rung = p_rung
  ) then
    raise exception using errcode = 'ZF009', message = 'the job has no such rung',
      detail = jsonb_build_object('job_id', p_job_id, 'rung', p_rung);
  end if;
  if v_job.status = 'running' then
    perform falconeri._worker_no(v_job, p_pod_name, p_node_name, true, p_rung);
  end if;
  return query
  select v_job.id, v_job.job_name, v_job.status, v_job.command, v_job.egress_uri, v_job.lease_s,
    coalesce((v_job.pipeline_spec ->> 'pipelining')::boolean, true),
    falconeri._program_options(v_job.pipeline_spec);
end
$$;
comment on function falconeri.register_worker(uuid, text, text, smallint)
is 'Makes a pod known that will send heartbeats, and tells it what it needs to know of its job.';
