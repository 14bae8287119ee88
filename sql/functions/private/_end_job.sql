-- Ends a job. Its workers are told when they ask for more, and leave.
--   p_status   null: `done`, or `error` if any datum failed
--   p_reason   why the job as a whole was ended, or null
-- Locks: the job's row (the caller has it or its shards).
create function falconeri._end_job(
  p_job_no bigint, p_status falconeri.job_status, p_reason text
) returns void
language plpgsql volatile as $$
declare
  v_status falconeri.job_status := coalesce(
    p_status,
    case when exists (
      select from falconeri.shards s where s.job_no = p_job_no and s.error + s.canceled > 0
    ) then 'error'::falconeri.job_status else 'done' end
  );
begin
  update falconeri.jobs j set
    status = v_status, finished_at = falconeri._now(), updated_at = falconeri._now(),
    error_message = p_reason, open_groups = 0
  where j.job_no = p_job_no and j.status = 'running';
  perform falconeri._notify_job(p_job_no);
end
$$;
comment on function falconeri._end_job(bigint, falconeri.job_status, text) is 'Ends a job. Its workers are told when they ask for more, and leave.';
