-- How often the datum of an attempt may still fail by its program's fault, this attempt included: 1 if such
-- a failure now is its end. Asked by workers before they run an `err_cmd`, so that no claim carries it.
--   p_failure_class   the failure in question; null: any of the program. One for lack of memory is no
--                     end as long as the job's ladder has more
-- Returns a number > 0.   Raises ZF002 datum_not_found, ZF003 claim_lost.   Locks: nothing.
create function falconeri.count_tries_left(
  p_datum_id uuid, p_pod_name text, p_attempt integer,
  p_failure_class falconeri.failure_class default null
) returns integer
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_left integer;
begin
  select greatest(s.max_tries - c.tries_used, 1) + falconeri._rises(c, p_failure_class)::integer
  into v_left
  from falconeri.claims c
  join falconeri.shards s on s.job_no = c.job_no and s.shard = c.shard
  where c.pod_name = p_pod_name and c.datum_id = p_datum_id and c.attempt = p_attempt;
  if not found then
    perform falconeri._refuse_claim(p_datum_id, p_pod_name, p_attempt);
  end if;
  return v_left;
end
$$;
comment on function falconeri.count_tries_left(uuid, text, integer, falconeri.failure_class)
is 'How often the datum of an attempt may still fail by its program''s fault, this attempt included.';
