-- The answer to who wanted nothing.
create function falconeri._nothing() returns falconeri.work
language sql immutable
return row('empty', null, null, null)::falconeri.work;
comment on function falconeri._nothing() is 'The answer to who wanted nothing.';
