-- Where in a worker's log_tails that of an attempt is.
create function falconeri._tail_key(p_datum_id uuid, p_attempt integer) returns text
language sql immutable strict parallel safe
return p_datum_id::text || '/' || p_attempt::text;
comment on function falconeri._tail_key(uuid, integer) is 'Where in a worker''s log_tails that of an attempt is.';
