-- Writes into a locked claim what it now holds, and says it in a worker's words.
create function falconeri._hold(p_claim falconeri.claims, p_datum falconeri.requeue)
returns falconeri.work
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  update falconeri.claims c set
    shard = p_datum.shard, seq = p_datum.seq, attempt = p_datum.attempt,
    tries_used = p_datum.tries_used, losses_used = p_datum.losses_used,
    claimed_at = falconeri._now()
  where c.worker_no = p_claim.worker_no and c.slot = p_claim.slot;
  return falconeri._held_work(p_datum.job_no, p_datum.seq, p_datum.attempt);
end
$$;
comment on function falconeri._hold(falconeri.claims, falconeri.requeue)
is 'Writes into a locked claim what it now holds, and says it in a worker''s words.';
