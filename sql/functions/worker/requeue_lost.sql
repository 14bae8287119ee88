-- Gives back what a dead pod held: each attempt becomes an error of this class.
-- Returns how many; 0 for a repeat, an unknown pod or an ended job.   Raises ZF001 job_not_found.
-- Locks: the pod's claims, then their shards in order.
create function falconeri.requeue_lost(
  p_job_id uuid, p_pod_name text, p_class falconeri.failure_class, p_message text
) returns integer
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_worker_no bigint;
  v_claim falconeri.claims;
  v_count integer := 0;
begin
  update falconeri.workers w set
    ended_at = falconeri._now(), end_class = p_class, end_message = p_message
  where w.job_no = v_job.job_no and w.pod_name = p_pod_name and w.ended_at is null
  returning w.worker_no into v_worker_no;
  if not found or v_job.status <> 'running' then
    return 0;
  end if;
  for v_claim in
    select c.* from falconeri.claims c
    where c.worker_no = v_worker_no and c.seq is not null
    order by c.shard, c.slot for update
  loop
    perform falconeri._lose_claim(v_claim, p_class, p_message);
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function falconeri.requeue_lost(uuid, text, falconeri.failure_class, text)
is 'Gives back what a dead pod held: each attempt becomes an error of this class.';
