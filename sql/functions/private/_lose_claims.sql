-- Ends the attempts of locked claims that their workers will not end, and frees the slots. What belongs
-- to a job that was ended meanwhile is left alone.
--   p_class   `out_of_memory` is said of a single pod, which runs one program at a time: mostly for what
--             it has held for longest. What it held beside that is not to blame, and just lost.
--   p_dead    they run no more; else they may be uploading until they have heard of it, with a heartbeat: so
--             what they have written is deleted a lease later
-- What their programs have printed is known as of the last heartbeat.
-- Returns how many.
-- Locks: all their shards in order, then all groups of these, before the first attempt ends: so no job can
-- be ended half-way, and a job's row is only ever waited for by those who have all else that they need.
create function falconeri._lose_claims(
  p_claims falconeri.claims[], p_class falconeri.failure_class, p_message text, p_dead boolean
) returns integer
language plpgsql volatile as $$
declare
  v_claim falconeri.claims;
  v_class falconeri.failure_class;
  v_count integer := 0;
begin
  perform from falconeri.shards s
  where (s.job_no, s.shard) in (select c.job_no, c.shard from unnest(p_claims) c)
  order by s.job_no, s.shard for no key update;
  perform from falconeri.shard_groups g
  where (g.job_no, g.shard_group) in (
    select c.job_no, falconeri._shard_group(c.shard) from unnest(p_claims) c
  )
  order by g.job_no, g.shard_group for no key update;

  for v_claim in
    select c.* from unnest(p_claims) c
    join falconeri.shards s on s.job_no = c.job_no and s.shard = c.shard and s.open > 0
    order by c.job_no, c.claimed_at, c.slot
  loop
    v_class := case
      when p_class = 'out_of_memory' and v_count > 0 then 'lost_worker' else p_class
    end;
    perform falconeri._fail_attempt(
      v_claim,
      row(
        'error', v_class, falconeri._told_output(v_claim), p_message, null, null, null, null, null, null, null
      )::falconeri.report,
      case when p_dead then 0 else (
        select j.lease_s from falconeri.jobs j where j.job_no = v_claim.job_no
      ) end
    );
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function falconeri._lose_claims(falconeri.claims[], falconeri.failure_class, text, boolean)
is 'Ends the attempts of locked claims that their workers will not end, and frees the slots.';
