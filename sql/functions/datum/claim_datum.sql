-- Hands the next ready datum of a job to a pod's slot, or again the one that the slot holds.
--   p_leased   the pod sends heartbeats
--   p_slot     0, or the number of the datum that a worker holds beside others
--   p_ahead    it has another one to work on first: only if there are plenty
-- Returns one row; its verdict says what to do when there is no datum.
-- Raises ZF001 job_not_found.   Locks: one claim, then one shard (SKIP LOCKED).
create function falconeri.claim_datum(
  p_job_id uuid, p_pod_name text, p_node_name text, p_leased boolean, p_slot smallint,
  p_ahead boolean default false
) returns falconeri.work
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_claim falconeri.claims;
begin
  if v_job.status <> 'running' then
    return falconeri._no_work(v_job.job_no, p_ahead);
  end if;
  v_claim := falconeri._lock_slot(v_job, p_pod_name, p_node_name, p_leased, p_slot);
  if v_claim.seq is not null then
    return falconeri._held_work(v_claim.job_no, v_claim.seq, v_claim.attempt);
  end if;
  return falconeri._take_datum(v_claim, false, p_ahead);
end
$$;
comment on function falconeri.claim_datum(uuid, text, text, boolean, smallint, boolean)
is 'Hands the next ready datum of a job to a pod''s slot, or again the one that the slot holds.';
