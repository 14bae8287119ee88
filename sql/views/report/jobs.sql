-- Each job: how far it is, how fast, and when it should be over. Milliseconds for any job: the counters
-- of its shards, a look at its workers and the samples of the last minutes; never its datums or attempts.
-- Those minutes tell when it should be over, if they are long enough for ten datums; else all the time
-- since it began.
-- Without a condition up to a millisecond a job, mostly for its up to 256 shards.
create view report.jobs as
select
  j.id as job_id, j.job_name, j.status::text as status, j.paused,
  j.created_at, w.started_at, j.finished_at,
  date_trunc('second', coalesce(j.finished_at, falconeri._now()) - j.created_at) as elapsed,
  j.datum_count as datums, s.open - s.running as ready, s.delayed, s.running, s.done, s.error, s.canceled,
  s.failed_attempts,
  round(100.0 * (j.datum_count - s.open) / nullif(j.datum_count, 0), 1) as ended_percent,
  round(r.datums_per_s::numeric, 3) as datums_per_s,
  -- Beyond three centuries it is none.
  case when j.status = 'running' and not j.paused and e.left_s < 1e10 then
    date_trunc('second', falconeri._now() + make_interval(secs => e.left_s))
  end as expected_at,
  w.live_workers, j.parallelism, j.max_tries, j.error_message, o.id as retry_of, j.command, j.egress_uri,
  round(p.datums_per_s::numeric, 3) as recent_datums_per_s, s.recovered, s.raised
from falconeri.jobs j
left join falconeri.jobs o on o.job_no = j.retry_of and o.deleted_at is null
cross join lateral (
  select
    coalesce(sum(s.open), 0)::bigint as open, coalesce(sum(s.running), 0)::bigint as running,
    coalesce(sum(s.delayed), 0)::bigint as delayed,
    coalesce(sum(s.done), 0)::bigint as done, coalesce(sum(s.error), 0)::bigint as error,
    coalesce(sum(s.canceled), 0)::bigint as canceled,
    coalesce(sum(s.failed_attempts), 0)::bigint as failed_attempts,
    coalesce(sum(s.recovered), 0)::bigint as recovered, coalesce(sum(s.raised), 0)::bigint as raised
  from falconeri.shards s where s.job_no = j.job_no
) s
cross join lateral (
  select
    min(w.registered_at) as started_at,
    count(*) filter (where w.ended_at is null and j.status = 'running') as live_workers
  from falconeri.workers w where w.job_no = j.job_no
) w
cross join lateral (
  select (s.done + s.error)
    / nullif(extract(epoch from coalesce(j.finished_at, falconeri._now()) - w.started_at), 0)::double precision
    as datums_per_s
) r
left join lateral (
  select
    s.done + s.error - b.ended as ended, b.ago_s, (s.done + s.error - b.ended) / b.ago_s as datums_per_s
  from (
    select p.ended, extract(epoch from falconeri._now() - p.at)::double precision as ago_s
    from falconeri.progress_samples p
    where j.status = 'running' and not j.paused
      -- A subquery is worked out once, so that the index finds the slots.
      and p.job_no = j.job_no and p.slot >= (select falconeri._sample_slot(falconeri._now()) - 20)
      and p.at >= w.started_at
      and not exists (
        select from falconeri.progress_samples q
        where q.job_no = p.job_no and q.slot >= p.slot and q.paused
          and q.slot >= (select falconeri._sample_slot(falconeri._now()) - 20)
      )
    order by p.slot limit 1
  ) b
  where b.ago_s >= 30
) p on true
cross join lateral (
  select s.open / nullif(
    case when greatest(p.ended, r.datums_per_s * p.ago_s) >= 10 then p.datums_per_s else r.datums_per_s end, 0
  ) as left_s
) e
where j.deleted_at is null;
comment on view report.jobs is 'Each job: how far, how fast, when over. Milliseconds for any job; all of them: up to one each.';
comment on column report.jobs.job_id is 'The job''s public id.';
comment on column report.jobs.job_name is 'The job''s name, which is unique.';
comment on column report.jobs.status is 'running, done, error or canceled.';
comment on column report.jobs.paused is 'It hands out nothing until it is resumed.';
comment on column report.jobs.created_at is 'When it was created.';
comment on column report.jobs.started_at is 'When its first worker registered; null: none has so far.';
comment on column report.jobs.finished_at is 'When it ended; null: it runs.';
comment on column report.jobs.elapsed is 'Since it was created, until now or until its end; whole seconds.';
comment on column report.jobs.datums is 'How many datums it has.';
comment on column report.jobs.ready is 'Datums that nobody works on yet, or again.';
comment on column report.jobs.delayed is 'Those of them that wait after a failure before they are tried again.';
comment on column report.jobs.running is 'Datums that workers hold.';
comment on column report.jobs.done is 'Datums that were done.';
comment on column report.jobs.error is 'Datums that failed for good.';
comment on column report.jobs.canceled is 'Datums that had not ended when the job was ended.';
comment on column report.jobs.failed_attempts is 'Tries that failed, also those whose datum was done later.';
comment on column report.jobs.ended_percent is 'Percentage of datums that will not run again: done, error and canceled ones; null: it has none.';
comment on column report.jobs.datums_per_s is 'Done and failed datums a second since started_at, whether it was paused or not; null: not started.';
comment on column report.jobs.expected_at is 'When the rest would be over, at the recent rate if that is known well; null: it is over, paused or unknown.';
comment on column report.jobs.live_workers is 'Registered pods that are not known to have died.';
comment on column report.jobs.parallelism is 'How many workers it should have.';
comment on column report.jobs.max_tries is 'How often the program may fail at a datum.';
comment on column report.jobs.error_message is 'Why the job as a whole was ended; null: it was not, or an operator canceled it.';
comment on column report.jobs.retry_of is 'The job whose unfinished datums these are; null: it is no retry, or that job was deleted.';
comment on column report.jobs.command is 'The program that its workers run, and its arguments.';
comment on column report.jobs.egress_uri is 'The URI below which its outputs go.';
comment on column report.jobs.recent_datums_per_s is 'Done and failed datums a second in the last five minutes, or since it was resumed; null: unknown.';
comment on column report.jobs.recovered is 'How many of the done ones are so by their err_cmd.';
comment on column report.jobs.raised is 'Those of the ready ones that wait for a worker with more memory: see report.rungs.';
