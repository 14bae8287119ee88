-- Whether a failure is the program's own fault and so uses up one of the datum's tries.
-- The others use up its losses, whose limit only stops endless loops.
create function falconeri._spends_a_try(p_class falconeri.failure_class) returns boolean
language sql immutable strict parallel safe
return p_class in ('command', 'timeout', 'out_of_memory');
comment on function falconeri._spends_a_try(falconeri.failure_class)
is 'Whether a failure is the program''s own fault and so uses up one of the datum''s tries.';
