-- claim_datum for many waiting pods at once, each its slot 0: the hub's way to wake just those that get one.
-- Returns a row for each pod up to the first that gets nothing, whose verdict says why.
-- Raises ZF001 job_not_found.
-- Locks: all the claims, in order; then shards (SKIP LOCKED).
create function falconeri.claim_datums(p_job_id uuid, p_pod_names text[], p_node_names text[])
returns table (
  pod_name text, verdict falconeri.verdict, datum_id uuid, attempt integer, inputs jsonb
)
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_waiter record;
  v_claim falconeri.claims;
  v_work falconeri.work;
begin
  if v_job.status <> 'running' then
    return query
    select null::text, 'ended'::falconeri.verdict, null::uuid, null::integer, null::jsonb;
    return;
  end if;
  -- All claims before any shard, as every other function does.
  perform falconeri._lock_slot(v_job, p.pod_name, p.node_name, true, 0::smallint)
  from (
    select u.pod_name, u.node_name from unnest(p_pod_names, p_node_names) u (pod_name, node_name)
    order by u.pod_name
  ) p;
  for v_waiter in
    select u.pod_name from unnest(p_pod_names) with ordinality u (pod_name, place) order by u.place
  loop
    select c.* into strict v_claim
    from falconeri.workers w join falconeri.claims c using (worker_no)
    where w.job_no = v_job.job_no and w.pod_name = v_waiter.pod_name and c.slot = 0;
    v_work := case
      when v_claim.seq is null then falconeri._take_datum(v_claim, false)
      else falconeri._held_work(v_claim.job_no, v_claim.seq, v_claim.attempt)
    end;
    return query
    select v_waiter.pod_name, v_work.verdict, v_work.datum_id, v_work.attempt, v_work.inputs;
    exit when v_work.verdict <> 'claimed';
  end loop;
end
$$;
comment on function falconeri.claim_datums(uuid, text[], text[])
is 'claim_datum for many waiting pods at once, each its slot 0.';
