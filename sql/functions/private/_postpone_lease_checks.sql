-- Says when the leases of these workers have to be looked at next: when the first of them runs out, or a lease
-- from now, which is the earliest for what a worker claims from now on. In a second if one has run out, whose
-- claim is locked just now.
-- Locks: nothing; the caller has the workers.
create function falconeri._postpone_lease_checks(p_worker_nos bigint[], p_now timestamptz) returns void
language sql volatile
begin atomic
  update falconeri.workers w set lease_check_at = (
    select case
      when j.status <> 'running' or not w.leased then null
      when c.end_at < p_now then p_now + interval '1 s'
      when c.end_at is not null then c.end_at
      -- Not at the first look after its death was noticed: a claim may still be on its way.
      when w.ended_at is not null and w.lease_check_at > '-infinity' then null
      else p_now + lease
    end
    from falconeri.jobs j
    cross join make_interval(secs => j.lease_s) lease
    left join falconeri.heartbeats h on h.worker_no = w.worker_no
    cross join lateral (
      select min(falconeri._lease_end(c.claimed_at, h.at, lease)) as end_at
      from falconeri.claims c
      where c.worker_no = w.worker_no and c.seq is not null
    ) c
    where j.job_no = w.job_no
  )
  where w.worker_no = any(p_worker_nos);
end;
comment on function falconeri._postpone_lease_checks(bigint[], timestamptz)
is 'Says when the leases of these workers have to be looked at next.';
