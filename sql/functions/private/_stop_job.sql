-- Ends a running job before its datums have: everything open becomes canceled.
-- Claims are left alone (a worker locks its claim before its shard, never after): the shard's open = 0
-- makes every later call of theirs fail.
-- Returns false if the job has ended already.   Locks: all shards in order, then the job's row.
create function falconeri._stop_job(
  p_job_no bigint, p_status falconeri.job_status, p_reason text
) returns boolean
language plpgsql volatile as $$
declare
  v_job_id uuid;
  v_lease_s integer;
begin
  -- FOR UPDATE, so that registrations of output files (KEY SHARE) are waited for, too.
  perform from falconeri.shards s where s.job_no = p_job_no order by s.shard for update;
  select j.id, j.lease_s into v_job_id, v_lease_s from falconeri.jobs j
  where j.job_no = p_job_no and j.status = 'running' for no key update;
  if not found then
    return false;
  end if;

  insert into falconeri.attempts (
    job_no, seq, attempt, worker_no, slot, outcome, final, started_at, finished_at, output, error_message
  )
  select c.job_no, c.seq, c.attempt, c.worker_no, c.slot, 'canceled', true, c.claimed_at, falconeri._now(),
    falconeri._told_output(c), coalesce(p_reason, 'the job was canceled')
  from falconeri.claims c where c.job_no = p_job_no and c.seq is not null;
  -- Their workers may be uploading until they have heard of it: with a heartbeat at the latest.
  perform falconeri._abandon_outputs(c.job_no, c.seq, v_lease_s)
  from falconeri.claims c where c.job_no = p_job_no and c.seq is not null;
  delete from falconeri.requeue r where r.job_no = p_job_no;
  update falconeri.shards s set
    canceled = s.canceled + s.open, open = 0, requeued = 0, raised = 0, delayed = 0, running = 0,
    next_seq = s.last_seq + 1, halted = true
  where s.job_no = p_job_no;
  perform falconeri._end_job(p_job_no, p_status, p_reason);
  perform falconeri._defer_task('stop_workers', v_job_id);
  return true;
end
$$;
comment on function falconeri._stop_job(bigint, falconeri.job_status, text)
is 'Ends a running job before its datums have: everything open becomes canceled.';
