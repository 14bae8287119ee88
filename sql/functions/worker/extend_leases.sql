-- Notes a sign of life of a pod, which extends the leases of all that it holds, and what it says of them.
--   p_log_tails   the end of what each attempt has printed so far, of which the last 4 KiB are kept; null:
--                 nothing; none of them at all: as it was before
-- Returns the job's status and which of the attempts that it believes to hold are no longer its own.
-- Raises ZF001 job_not_found.   Locks: the pod's heartbeat.
create function falconeri.extend_leases(
  p_job_id uuid, p_pod_name text, p_datum_ids uuid[], p_attempts integer[], p_log_tails text[],
  out job_status falconeri.job_status, out lost uuid[]
)
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  insert into falconeri.heartbeats (worker_no, at, log_tails)
  select w.worker_no, falconeri._now(), (
    -- Only of what it does hold: nobody can leave more here than that.
    select jsonb_object_agg(
      falconeri._tail_key(t.datum_id, t.attempt), falconeri._last_bytes(t.log_tail, 4096)
    )
    from unnest(p_datum_ids, p_attempts, p_log_tails) t (datum_id, attempt, log_tail)
    join falconeri.claims k
      on k.worker_no = w.worker_no and k.datum_id = t.datum_id and k.attempt = t.attempt
    where t.log_tail is not null
  )
  from falconeri.workers w where w.job_no = v_job.job_no and w.pod_name = p_pod_name
  on conflict (worker_no) do update set at = excluded.at,
    log_tails = coalesce(excluded.log_tails, heartbeats.log_tails);

  job_status := v_job.status;
  select coalesce(array_agg(h.datum_id), '{}') into lost
  from unnest(p_datum_ids, p_attempts) h (datum_id, attempt)
  where v_job.status <> 'running' or not exists (
    select from falconeri.claims c
    where c.job_no = v_job.job_no and c.pod_name = p_pod_name
      and c.datum_id = h.datum_id and c.attempt = h.attempt
  );
end
$$;
comment on function falconeri.extend_leases(uuid, text, uuid[], integer[], text[])
is 'Notes a sign of life of a pod, which extends the leases of all that it holds, and what it says of them.';
