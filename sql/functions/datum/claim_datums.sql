-- claim_datum for several slots at once: for pods that wait, so that the hub wakes just those that get one,
-- or for a pod that fetches ahead.
--   p_slots   parallel to the pods; null: each its slot 0
-- Returns a row for each up to the first that gets nothing, whose verdict says why.
-- Raises ZF001 job_not_found.
-- Locks: all the claims, in order; then shards (SKIP LOCKED).
create function falconeri.claim_datums(
  p_job_id uuid, p_pod_names text[], p_node_names text[], p_slots smallint[] default null
) returns table (
  pod_name text, slot smallint, verdict falconeri.verdict, datum_id uuid, attempt integer, inputs jsonb
)
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_asked record;
  v_claim falconeri.claims;
  v_work falconeri.work;
begin
  if v_job.status <> 'running' then
    return query
    select null::text, null::smallint, 'ended'::falconeri.verdict, null::uuid, null::integer, null::jsonb;
    return;
  end if;
  -- All claims before any shard, as every other function does.
  perform falconeri._lock_slot(v_job, a.pod_name, a.node_name, true, a.slot)
  from (
    select u.pod_name, u.node_name, coalesce(u.slot, 0::smallint) as slot
    from unnest(p_pod_names, p_node_names, p_slots) u (pod_name, node_name, slot)
    order by u.pod_name, u.slot
  ) a;
  for v_asked in
    select u.pod_name, coalesce(u.slot, 0::smallint) as slot
    from unnest(p_pod_names, p_slots) with ordinality u (pod_name, slot, place) order by u.place
  loop
    -- Not as a join, for which a plan made when there were few workers would read all of them.
    select c.* into strict v_claim
    from falconeri.claims c
    where c.slot = v_asked.slot and c.worker_no = (
      select w.worker_no from falconeri.workers w
      where w.job_no = v_job.job_no and w.pod_name = v_asked.pod_name
    );
    v_work := case
      when v_claim.seq is null then falconeri._take_datum(v_claim, false, false)
      else falconeri._held_work(v_claim.job_no, v_claim.seq, v_claim.attempt)
    end;
    return query
    select v_asked.pod_name, v_asked.slot, v_work.verdict, v_work.datum_id, v_work.attempt,
      v_work.inputs;
    exit when v_work.verdict <> 'claimed';
  end loop;
end
$$;
comment on function falconeri.claim_datums(uuid, text[], text[], smallint[])
is 'claim_datum for several slots at once: pods that wait, or a pod that fetches ahead.';
