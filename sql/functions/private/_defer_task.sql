-- Leaves something to do with a job's workers for `falconerid tasks`, in the caller's transaction.
--   p_task   'start_workers' or 'stop_workers'; tasks of one job run one after the other
create function falconeri._defer_task(p_task text, p_job_id uuid) returns void
language plpgsql volatile set search_path = procrastinate, pg_temp as $$
begin
  perform procrastinate.procrastinate_defer_jobs_v1(array[
    row(
      'falconeri', p_task, 0, 'workers:' || p_job_id, null, jsonb_build_object('job_id', p_job_id), null
    )::procrastinate.procrastinate_job_to_defer_v1
  ]);
end
$$;
comment on function falconeri._defer_task(text, uuid)
is 'Leaves something to do with a job''s workers for `falconerid tasks`, in the caller''s transaction.';
