-- The job that a request with this key has made; null if there was none.
--   p_digest   of what is asked for now
-- Raises ZF012 request_key_reused if the key was used for something else.   Locks: nothing.
create function falconeri.find_request(p_request_key text, p_digest text) returns uuid
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_request record;
begin
  select r.digest, j.id as job_id into v_request
  from falconeri.requests r left join falconeri.jobs j using (job_no)
  where r.request_key = p_request_key;
  if v_request.digest <> p_digest then
    raise exception using errcode = 'ZF012', message = 'the key was used for another request',
      detail = jsonb_build_object('request_key', p_request_key, 'job_id', v_request.job_id);
  end if;
  return v_request.job_id;
end
$$;
comment on function falconeri.find_request(text, text)
is 'The job that a request with this key has made; null if there was none.';
