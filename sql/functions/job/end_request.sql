-- Notes which job answers a request that was begun in this transaction.
-- Raises ZF001 job_not_found.   Locks: the key (the caller has it).
create function falconeri.end_request(p_request_key text, p_job_id uuid) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  update falconeri.requests r set job_no = (falconeri._require_job(p_job_id)).job_no
  where r.request_key = p_request_key and r.job_no is null;
end
$$;
comment on function falconeri.end_request(text, uuid)
is 'Notes which job answers a request that was begun in this transaction.';
