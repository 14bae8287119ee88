-- The job that a datum belongs to.
-- Returns its id.   Raises ZF002 datum_not_found.   Locks: nothing.
create function falconeri.find_job_of_datum(p_datum_id uuid) returns uuid
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job_id uuid;
begin
  select j.id into v_job_id from falconeri.jobs j
  where j.job_no = (falconeri._datum_key(p_datum_id)).job_no;
  if not found then
    raise exception using errcode = 'ZF002', message = 'datum not found',
      detail = jsonb_build_object('datum_id', p_datum_id);
  end if;
  return v_job_id;
end
$$;
comment on function falconeri.find_job_of_datum(uuid) is 'The job that a datum belongs to.';
