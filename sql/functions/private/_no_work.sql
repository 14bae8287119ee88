-- Why there is nothing to hand out: the job is over, others hold the rows just now, or all is taken.
--   p_ahead   for a worker that has another one to work on first (_take_datum)
create function falconeri._no_work(p_job_no bigint, p_ahead boolean) returns falconeri.work
language sql stable
begin atomic
  select
    case
      when j.status <> 'running' then 'ended'
      when exists (
        select from falconeri.shards s
        where s.job_no = p_job_no and not s.halted
          and (
            s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
            or (s.requeued > 0 and not p_ahead)
          )
      ) then 'busy'
      else 'empty'
    end::falconeri.verdict,
    null::uuid, null::integer, null::jsonb
  from falconeri.jobs j where j.job_no = p_job_no;
end;
comment on function falconeri._no_work(bigint, boolean)
is 'Why there is nothing to hand out: the job is over, rows are locked just now, or all is taken.';
