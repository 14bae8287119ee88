-- Why there is nothing to hand out: the job is over, others hold the rows just now, or all is taken.
create function falconeri._no_work(p_job_no bigint) returns falconeri.work
language sql stable
begin atomic
  select
    case
      when j.status <> 'running' then 'ended'
      when exists (
        select from falconeri.shards s
        where s.job_no = p_job_no and not s.halted
          and (s.requeued > 0 or s.next_seq <= s.last_seq)
      ) then 'busy'
      else 'empty'
    end::falconeri.verdict,
    null::uuid, null::integer, null::jsonb
  from falconeri.jobs j where j.job_no = p_job_no;
end;
comment on function falconeri._no_work(bigint)
is 'Why there is nothing to hand out: the job is over, rows are locked just now, or all is taken.';
