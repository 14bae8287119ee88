-- Ends a job whose workers are gone for good: error, with the reason.
-- Returns whether it was running.   Raises ZF001 job_not_found.
-- Locks: all shards in order, then the job's row.
create function falconeri.fail_vanished_job(p_job_id uuid, p_reason text) returns boolean
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  return falconeri._stop_job((falconeri._require_job(p_job_id)).job_no, 'error', p_reason);
end
$$;
comment on function falconeri.fail_vanished_job(uuid, text)
is 'Ends a job whose workers are gone for good: error, with the reason.';
