-- Says when the leases of these workers have to be looked at next: when the first that is left runs out, or a lease
-- from now, which is the earliest for what a worker claims from now on.
-- Locks: the workers (SKIP LOCKED: who changes one makes it due himself).
create function falconeri._postpone_lease_checks(p_worker_nos bigint[], p_now timestamptz) returns void
language sql volatile
begin atomic
  with due as (
    select w.worker_no, w.leased, w.ended_at, j.status, make_interval(secs => j.lease_s) as lease
    from falconeri.workers w
    join falconeri.jobs j on j.job_no = w.job_no
    where w.worker_no = any(p_worker_nos)
    for no key update of w skip locked
  ),
  next as (
    select d.worker_no, case
      when d.status <> 'running' or not d.leased then null
      when c.end_at is not null then c.end_at
      -- A claim that began before its pod's death was noticed may still be on its way.
      when d.ended_at < p_now - d.lease then null
      else p_now + d.lease
    end as check_at
    from due d
    left join falconeri.heartbeats h on h.worker_no = d.worker_no
    cross join lateral (
      select min(falconeri._lease_end(c.claimed_at, h.at, d.lease)) as end_at
      from falconeri.claims c
      where c.worker_no = d.worker_no and c.seq is not null
    ) c
  )
  update falconeri.workers w set lease_check_at = n.check_at
  from next n
  where w.worker_no = n.worker_no;
end;
comment on function falconeri._postpone_lease_checks(bigint[], timestamptz)
is 'Says when the leases of these workers have to be looked at next.';
