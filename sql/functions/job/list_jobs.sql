-- A page of the jobs, newest first.
--   p_status   only these; null: all
--   p_name     only those whose name begins so, as a pipeline's name does; null: all
--   p_after    the cursor_id of the last row of the page before, whose job may be deleted by now; null: from
--              the newest
--   p_limit    at most so many; null: all
-- Returns 0..p_limit rows.   Raises ZF009 invalid_input if p_after is no such cursor.   Locks: nothing.
create function falconeri.list_jobs(
  p_status falconeri.job_status default null, p_name text default null, p_after uuid default null,
  p_limit integer default null
) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.job_status,
  pipeline_spec jsonb, job_name text, command text[], egress_uri text, error_message text, paused boolean,
  cursor_id uuid
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_before bigint := falconeri._cursor_no(p_after);
begin
  if p_after is not null and v_before is null then
    raise exception using errcode = 'ZF009', message = 'not a place in the list of jobs',
      detail = jsonb_build_object('after', p_after);
  end if;
  return query
  select j.id, j.created_at, j.updated_at, j.status, j.pipeline_spec, j.job_name, j.command,
    j.egress_uri, j.error_message, j.paused, falconeri._public_id(4, j.job_no, 0, 0)
  from falconeri.jobs j
  where j.deleted_at is null and (v_before is null or j.job_no < v_before)
    and (p_status is null or j.status = p_status) and (p_name is null or starts_with(j.job_name, p_name))
  order by j.job_no desc limit p_limit;
end
$$;
comment on function falconeri.list_jobs(falconeri.job_status, text, uuid, integer)
is 'A page of the jobs, newest first.';
