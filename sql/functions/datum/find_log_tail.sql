-- What the program of a running datum has printed last, as of its worker's last heartbeat.
-- Returns null if that is nothing so far, or if nobody works on it.
-- Raises ZF002 datum_not_found for the id of anything else.   Locks: nothing.
create function falconeri.find_log_tail(p_datum_id uuid) returns text
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
begin
  return (
    select h.log_tails ->> falconeri._tail_key(c.datum_id, c.attempt)
    from falconeri.claims c
    join falconeri.jobs j on j.job_no = c.job_no and j.status = 'running'
    join falconeri.heartbeats h on h.worker_no = c.worker_no
    where c.job_no = v_key.job_no and c.seq = v_key.seq
  );
end
$$;
comment on function falconeri.find_log_tail(uuid)
is 'What the program of a running datum has printed last, as of its worker''s last heartbeat.';
