-- The id of the job with this name.
-- Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.find_job(p_job_name text) returns uuid
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job_id uuid;
begin
  select j.id into v_job_id from falconeri.jobs j
  where j.job_name = p_job_name and j.deleted_at is null;
  if not found then
    raise exception using errcode = 'ZF001', message = 'job not found',
      detail = jsonb_build_object('job_name', p_job_name);
  end if;
  return v_job_id;
end
$$;
comment on function falconeri.find_job(text) is 'The id of the job with this name.';
