-- Takes a ready datum of a job for an idle, locked claim: from its last shard, or the next that has any.
-- A worker with more memory than the first ones gets what needs it, and nothing else (_take_raised).
--   p_fresh_first   a fresh one of its shard before one that is to be tried again: who has just failed at
--                   a datum should not get it back while there is another
--   p_ahead         for a worker that has another one to work on first: a fresh one, and none of the last
--                   ones of a job, which are for workers that would have none
-- Locks: one shard, found with SKIP LOCKED; never waits.
create function falconeri._take_datum(p_claim falconeri.claims, p_fresh_first boolean, p_ahead boolean)
returns falconeri.work
language plpgsql volatile as $$
declare
  v_shard falconeri.shards;
  v_again falconeri.requeue;
begin
  if p_claim.rung > 0 then
    return falconeri._take_raised(p_claim, p_ahead);
  end if;
  select s.* into v_shard from falconeri.shards s
  where s.job_no = p_claim.job_no and s.shard = p_claim.shard
    and not s.halted and (
      s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
      or (s.requeued > 0 and not p_ahead)
    )
  for no key update skip locked;
  -- Whoever shares a shard waits for the commits of the others: one where nobody is at work, or at least
  -- the one with the fewest, which takes reading them all.
  if not found then
    select s.* into v_shard from falconeri.shards s
    where s.job_no = p_claim.job_no and s.shard > coalesce(p_claim.shard, -1) and s.running = 0
      and not s.halted and (
        s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
        or (s.requeued > 0 and not p_ahead)
      )
    order by s.shard limit 1 for no key update skip locked;
  end if;
  if not found then
    select s.* into v_shard from falconeri.shards s
    where s.job_no = p_claim.job_no
      and not s.halted and (
        s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
        or (s.requeued > 0 and not p_ahead)
      )
    order by s.running, s.shard limit 1 for no key update skip locked;
  end if;
  if not found then
    return falconeri._no_work(p_claim.job_no, p_ahead);
  end if;

  if v_shard.requeued > 0 and not (
    (p_fresh_first or p_ahead) and v_shard.next_seq <= v_shard.last_seq
  ) then
    delete from falconeri.requeue r
    where r.job_no = v_shard.job_no and r.shard = v_shard.shard and r.rung = 0 and r.seq = (
      select q.seq from falconeri.requeue q
      where q.job_no = v_shard.job_no and q.shard = v_shard.shard and q.rung = 0
        and q.ready_at is null
      order by q.seq limit 1
    )
    returning r.* into strict v_again;
    update falconeri.shards s set requeued = s.requeued - 1, running = s.running + 1
    where s.job_no = v_shard.job_no and s.shard = v_shard.shard;
  else
    v_again := (
      v_shard.job_no, v_shard.shard, v_shard.next_seq, 1, 0, 0, null, 0
    )::falconeri.requeue;
    update falconeri.shards s set next_seq = s.next_seq + 1, running = s.running + 1
    where s.job_no = v_shard.job_no and s.shard = v_shard.shard;
  end if;
  update falconeri.claims c set
    shard = v_again.shard, datum_id = falconeri._datum_id(v_again.job_no, v_again.seq),
    seq = v_again.seq, attempt = v_again.attempt, tries_used = v_again.tries_used,
    losses_used = v_again.losses_used, claimed_at = falconeri._now()
  where c.worker_no = p_claim.worker_no and c.slot = p_claim.slot;
  return falconeri._held_work(v_again.job_no, v_again.seq, v_again.attempt);
end
$$;
comment on function falconeri._take_datum(falconeri.claims, boolean, boolean)
is 'Takes a ready datum of a job for an idle, locked claim.';
