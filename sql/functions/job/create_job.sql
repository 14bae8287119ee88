-- Begins a job: the caller writes its datums and calls start_job, all in one transaction.
--   p_pipeline_name   the job's name is this, a dash and ten random letters and digits
--   p_lease_s         seconds that a claim lasts without a heartbeat; > 0
--   p_retry_delay_s   seconds that a datum waits after its first failure, doubled by each further one; 0: none
--   p_memory          of the workers, the least first: what runs out of it is tried with the next; null or
--                     empty: as the spec says, and no more
-- Returns one row.
-- Raises 23505, 23514 for a name, command or number that the table refuses.   Locks: nothing.
create function falconeri.create_job(
  p_pipeline_name text, p_pipeline_spec jsonb, p_command text[], p_egress_uri text,
  p_parallelism integer, p_max_tries integer, p_timeout_s integer, p_lease_s integer,
  p_retry_delay_s integer, p_memory text[] default null,
  out job_no bigint, out job_id uuid
)
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  insert into falconeri.jobs (
    job_name, created_at, updated_at, pipeline_spec, command, egress_uri, parallelism, max_tries,
    max_losses, lease_s, timeout_s, retry_delay_s
  ) values (
    falconeri._job_name(p_pipeline_name), falconeri._now(), falconeri._now(), p_pipeline_spec,
    p_command, p_egress_uri, p_parallelism, p_max_tries, 10, p_lease_s, p_timeout_s,
    p_retry_delay_s
  )
  returning jobs.job_no, jobs.id into create_job.job_no, create_job.job_id;
  insert into falconeri.rungs (job_no, rung, memory)
  select create_job.job_no, m.place - 1, m.memory
  from unnest(p_memory) with ordinality m (memory, place);
end
$$;
comment on function falconeri.create_job(
  text, jsonb, text[], text, integer, integer, integer, integer, integer, text[]
)
is 'Begins a job: the caller writes its datums and calls start_job, all in one transaction.';
