-- The job with this id, unlocked.
-- Raises ZF001 job_not_found.
create function falconeri._require_job(p_job_id uuid) returns falconeri.jobs
language plpgsql stable as $$
declare
  v_job falconeri.jobs;
begin
  select j.* into v_job from falconeri.jobs j where j.id = p_job_id and j.deleted_at is null;
  if not found then
    raise exception using errcode = 'ZF001', message = 'job not found',
      detail = jsonb_build_object('job_id', p_job_id);
  end if;
  return v_job;
end
$$;
comment on function falconeri._require_job(uuid) is 'The job with this id, unlocked.';
