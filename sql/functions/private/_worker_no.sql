-- The number of a job's pod, registered when it is new. One that was thought dead is alive again.
--   p_rung   of a new one; what a pod has said first stays: it can't get more memory
create function falconeri._worker_no(
  p_job falconeri.jobs, p_pod_name text, p_node_name text, p_leased boolean,
  p_rung smallint default 0
) returns bigint
language plpgsql volatile as $$
declare
  v_worker falconeri.workers;
begin
  select w.* into v_worker from falconeri.workers w
  where w.job_no = p_job.job_no and w.pod_name = p_pod_name;
  if found and v_worker.ended_at is null and v_worker.leased = p_leased then
    return v_worker.worker_no;
  end if;
  insert into falconeri.workers (job_no, pod_name, node_name, leased, registered_at, rung)
  values (p_job.job_no, p_pod_name, p_node_name, p_leased, falconeri._now(), p_rung)
  on conflict (job_no, pod_name) do update set
    leased = excluded.leased, ended_at = null, end_class = null, end_message = null,
    lease_check_at = default
  returning * into v_worker;
  return v_worker.worker_no;
end
$$;
comment on function falconeri._worker_no(falconeri.jobs, text, text, boolean, smallint)
is 'The number of a job''s pod, registered when it is new. One that was thought dead is alive again.';
