-- A datum whose program failed for the last time, and whose `err_cmd` did not: it is done.
alter type falconeri.attempt_outcome add value 'recovered' after 'done';
alter table falconeri.shards add column recovered integer not null default 0;
comment on column falconeri.shards.recovered is 'How many of the done ones are so by their err_cmd.';
