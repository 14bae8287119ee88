-- Leaves work for `falconerid tasks`, in the caller's transaction.
-- p_lock: tasks of the same lock run one after the other.
create function falconeri._defer_task(p_task text, p_args jsonb, p_lock text) returns void
language plpgsql volatile set search_path = procrastinate, pg_temp as $$
begin
  perform procrastinate.procrastinate_defer_jobs_v1(array[
    row('falconeri', p_task, 0, p_lock, null, p_args, null)::procrastinate.procrastinate_job_to_defer_v1
  ]);
end
$$;
comment on function falconeri._defer_task(text, jsonb, text)
is 'Leaves work for `falconerid tasks`, in the caller''s transaction.';
