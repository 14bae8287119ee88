-- Gives back what a dead pod held: each attempt becomes an error of this class.
-- Returns how many; 0 for a repeat, an unknown pod or an ended job.   Raises ZF001 job_not_found.
-- Locks: the pod's row, its claims, their shards in order, the groups of these, the job's row.
create function falconeri.requeue_lost(
  p_job_id uuid, p_pod_name text, p_failure_class falconeri.failure_class, p_message text
) returns integer
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_worker_no bigint;
begin
  -- A pod known to be dead may hold something again: its last request came in after its death.
  update falconeri.workers w set
    ended_at = coalesce(w.ended_at, falconeri._now()),
    end_class = coalesce(w.end_class, p_failure_class),
    end_message = coalesce(w.end_message, p_message),
    lease_check_at = default
  where w.job_no = v_job.job_no and w.pod_name = p_pod_name
  returning w.worker_no into v_worker_no;
  return falconeri._lose_claims(
    array(
      select c from falconeri.claims c
      where c.worker_no = v_worker_no and c.seq is not null
      order by c.slot for update
    ),
    p_failure_class, p_message, true
  );
end
$$;
comment on function falconeri.requeue_lost(uuid, text, falconeri.failure_class, text)
is 'Gives back what a dead pod held: each attempt becomes an error of this class.';
