-- Why there is nothing to hand out to a worker with more memory: _no_work for its rung.
--   p_wanted   false: it takes none just now, whatever waits
create function falconeri._no_raised(p_claim falconeri.claims, p_wanted boolean)
returns falconeri.work
language sql stable
begin atomic
  select
    case
      when j.status <> 'running' then 'ended'
      when p_wanted and exists (
        select from falconeri.requeue r
        join falconeri.shards s on s.job_no = r.job_no and s.shard = r.shard and not s.halted
        where r.job_no = p_claim.job_no and r.rung = p_claim.rung and r.rung > 0
          and r.ready_at is null
      ) then 'busy'
      else 'empty'
    end::falconeri.verdict,
    null::uuid, null::integer, null::jsonb
  from falconeri.jobs j where j.job_no = p_claim.job_no;
end;
comment on function falconeri._no_raised(falconeri.claims, boolean)
is 'Why there is nothing to hand out to a worker with more memory.';
