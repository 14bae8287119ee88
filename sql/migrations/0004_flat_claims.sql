-- What a datum costs, brought down: see sql/README.md, "Why it looks so".

-- PostgreSQL parses and compiles each check anew in each statement, which cost every datum more than
-- the writes themselves. What the checks said of the counters is asserted when a shard is closed.
alter table falconeri.shards
  drop constraint shard_open_counts_what_has_not_ended,
  drop constraint shard_counters_add_up;
alter table falconeri.claims drop constraint claim_is_whole;
alter table falconeri.attempts
  drop constraint attempt_failure_has_class_and_message,
  drop constraint attempt_success_is_final;

-- The numbers are looked at by start_job, once.
alter table falconeri.datums drop constraint datum_seq_fits_its_public_id;

-- A claim is found by what its worker says of it: its pod and the datum's public id.
alter table falconeri.claims add column pod_name text, add column datum_id uuid;
update falconeri.claims c set pod_name = w.pod_name, datum_id = (
  lpad(to_hex(c.job_no), 12, '0') || '8001' || to_hex(x'8000000000000000'::bigint | (c.seq << 22))
)::uuid
from falconeri.workers w where w.worker_no = c.worker_no;
alter table falconeri.claims alter column pod_name set not null, alter column shard drop not null;
create index claims_of_pod on falconeri.claims (pod_name);
comment on column falconeri.claims.datum_id is 'The public id of the datum; null while the slot is idle.';
comment on column falconeri.claims.shard is 'Where it last took a datum; null: nowhere so far.';

-- A repeated completion is answered for the same slot.
alter table falconeri.attempts add column slot smallint not null default 0;
