-- When a claim runs out unless its worker is heard of before then.
--   p_heard_at   its worker's last heartbeat; null: none
-- After a crash of the database the heartbeats are gone: it counts from the server's start.
create function falconeri._lease_end(
  p_claimed_at timestamptz, p_heard_at timestamptz, p_lease interval
) returns timestamptz
language sql stable parallel safe
return greatest(p_claimed_at, p_heard_at, pg_postmaster_start_time()) + p_lease;
comment on function falconeri._lease_end(timestamptz, timestamptz, interval)
is 'When a claim runs out unless its worker is heard of before then.';
