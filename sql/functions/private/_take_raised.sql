-- Takes a datum that ran out of memory, for an idle, locked claim of a worker of its rung.
--   p_ahead   for a worker that has another one to work on first: none, others may wait for it
-- Locks: one shard, found with SKIP LOCKED; never waits.
create function falconeri._take_raised(p_claim falconeri.claims, p_ahead boolean)
returns falconeri.work
language plpgsql volatile as $$
declare
  v_shard integer;
  v_again falconeri.requeue;
begin
  if p_ahead then
    return falconeri._no_raised(p_claim, false);
  end if;
  select s.shard into v_shard from falconeri.shards s
  where s.job_no = p_claim.job_no and s.raised > 0 and not s.halted
    and exists (
      select from falconeri.requeue r
      where r.job_no = s.job_no and r.shard = s.shard and r.rung = p_claim.rung and r.ready_at is null
    )
  order by s.shard limit 1 for no key update skip locked;
  if not found then
    return falconeri._no_raised(p_claim, true);
  end if;

  delete from falconeri.requeue r
  where r.job_no = p_claim.job_no and r.shard = v_shard and r.rung = p_claim.rung and r.seq = (
    select q.seq from falconeri.requeue q
    where q.job_no = p_claim.job_no and q.shard = v_shard and q.rung = p_claim.rung
      and q.ready_at is null
    order by q.seq limit 1
  )
  returning r.* into v_again;
  -- Seen before the shard was locked, and taken by another since.
  if not found then
    return falconeri._no_raised(p_claim, true);
  end if;
  update falconeri.shards s set raised = s.raised - 1, running = s.running + 1
  where s.job_no = p_claim.job_no and s.shard = v_shard;
  update falconeri.claims c set
    shard = v_shard, datum_id = falconeri._datum_id(v_again.job_no, v_again.seq),
    seq = v_again.seq, attempt = v_again.attempt, tries_used = v_again.tries_used,
    losses_used = v_again.losses_used, claimed_at = falconeri._now()
  where c.worker_no = p_claim.worker_no and c.slot = p_claim.slot;
  return falconeri._held_work(v_again.job_no, v_again.seq, v_again.attempt);
end
$$;
comment on function falconeri._take_raised(falconeri.claims, boolean)
is 'Takes a datum that ran out of memory, for a worker of its rung.';
