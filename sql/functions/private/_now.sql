-- The time, for every rule. Tests replace it, to set it to another.
create function falconeri._now() returns timestamptz
language sql volatile parallel safe
return clock_timestamp();
comment on function falconeri._now() is 'The time, for every rule.';
