-- Begins to answer a request for a new job: the caller makes it and calls end_request, all in one
-- transaction. Waits for a request with the same key that is being answered just now.
--   p_digest   of what is asked for
-- Returns null, or the job that such a request has made before: then there is nothing to do.
-- Raises ZF012 request_key_reused if the key was used for something else; 23514 for one that is too long.
-- Locks: the key.
create function falconeri.begin_request(p_request_key text, p_digest text) returns uuid
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  insert into falconeri.requests (request_key, digest, created_at)
  values (p_request_key, p_digest, falconeri._now())
  on conflict (request_key) do nothing;
  return falconeri.find_request(p_request_key, p_digest);
end
$$;
comment on function falconeri.begin_request(text, text) is 'Begins to answer a request for a new job.';
