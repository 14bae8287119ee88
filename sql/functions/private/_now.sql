-- The time, for every rule; a test sets `falconeri.now` to another.
create function falconeri._now() returns timestamptz
language sql stable parallel safe
return coalesce(nullif(current_setting('falconeri.now', true), '')::timestamptz, clock_timestamp());
comment on function falconeri._now() is 'The time, for every rule; a test sets `falconeri.now` to another.';
