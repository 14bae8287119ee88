-- Workers fetch one datum ahead, but none of a job's last ones: others would be idle meanwhile.
alter table falconeri.shards add column ahead_seq bigint;
update falconeri.shards set ahead_seq = last_seq;
alter table falconeri.shards alter column ahead_seq set not null;
comment on column falconeri.shards.ahead_seq
is 'The last fresh datum that a worker may take which has another one to work on first.';
