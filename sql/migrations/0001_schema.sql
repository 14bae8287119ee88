-- Falconeri's tables. The shape keeps the cost of a datum flat: see sql/README.md, "Why it looks so".
-- Created with the search path of the migration; everything is schema-qualified.

create type falconeri.job_status as enum ('running', 'done', 'error', 'canceled');
create type falconeri.datum_status as enum ('ready', 'running', 'done', 'error', 'canceled');
create type falconeri.output_status as enum ('running', 'done', 'error');
create type falconeri.attempt_outcome as enum ('done', 'error', 'canceled');
create type falconeri.failure_class as enum (
  'command', 'timeout', 'out_of_memory', 'lost_worker', 'evicted', 'storage', 'internal'
);
create type falconeri.verdict as enum ('claimed', 'busy', 'empty', 'ended');

-- What a request for work answers; all but the verdict is null unless it is 'claimed'.
create type falconeri.work as (
  verdict falconeri.verdict, datum_id uuid, attempt integer, inputs jsonb
);

-- How an attempt ended.
create type falconeri.report as (
  outcome falconeri.attempt_outcome,
  failure_class falconeri.failure_class,
  output text,
  error_message text,
  backtrace text,
  exit_code integer,
  signal integer,
  bytes_in bigint,
  bytes_out bigint,
  cpu_s double precision,
  peak_memory_bytes bigint
);

create table falconeri.jobs (
  job_no bigint generated always as identity primary key,
  id uuid not null default gen_random_uuid(),
  job_name text not null,
  status falconeri.job_status not null default 'running',
  paused boolean not null default false,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  finished_at timestamptz,
  deleted_at timestamptz,
  pipeline_spec jsonb not null,
  command text[] not null,
  egress_uri text not null,
  parallelism integer not null,
  max_tries integer not null,
  max_losses integer not null,
  lease_s integer not null,
  timeout_s integer,
  retry_delay_s integer not null default 0,
  datum_count bigint not null default 0,
  shard_count integer not null default 0,
  open_shards integer not null default 0,
  error_message text,
  retry_of bigint,
  constraint job_id_is_unique unique (id),
  constraint job_name_is_unique unique (job_name),
  constraint job_name_is_a_dns_label check (job_name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  constraint job_command_is_not_empty check (cardinality(command) > 0),
  constraint job_may_be_tried check (max_tries > 0 and max_losses > 0),
  constraint job_lease_is_positive check (lease_s > 0),
  constraint job_timeout_is_positive check (timeout_s > 0),
  constraint job_retry_delay_is_not_negative check (retry_delay_s >= 0),
  constraint job_parallelism_is_not_negative check (parallelism >= 0),
  constraint job_is_finished_or_running check ((status = 'running') = (finished_at is null)),
  constraint job_deleted_has_ended check (deleted_at is null or status <> 'running'),
  constraint job_open_shards_count_down check (open_shards between 0 and shard_count)
) with (fillfactor = 50);
comment on table falconeri.jobs is 'One submitted pipeline spec.';
comment on column falconeri.jobs.deleted_at is 'Nobody sees it since then; its rows go in batches, from the last datum.';
comment on column falconeri.jobs.max_tries is 'Failures by the program''s own fault that a datum may have; reached, it is an error.';
comment on column falconeri.jobs.max_losses is 'Failures that are not the program''s fault that a datum may have.';
comment on column falconeri.jobs.lease_s is 'Seconds that a claim lasts without a heartbeat.';
comment on column falconeri.jobs.retry_delay_s is 'Seconds that a datum waits after its first failure, twice as many after the next; 0: none.';
comment on column falconeri.jobs.open_shards is 'Shards with datums that have not ended; at 0 the job ends.';

-- Operators and the babysitter look for running jobs; ended ones pile up.
create index jobs_running on falconeri.jobs (job_no) where status = 'running';

-- A shard is a contiguous range of a job's datums with a cursor and counters. Claims of different
-- shards don't touch the same row; the counters of a job are the sum of at most some hundred rows.
-- Each row is updated for every datum: the low fillfactor keeps those updates on one page (HOT).
create table falconeri.shards (
  job_no bigint not null references falconeri.jobs,
  shard integer not null,
  first_seq bigint not null,
  next_seq bigint not null,
  last_seq bigint not null,
  requeued integer not null default 0,
  delayed integer not null default 0,
  running integer not null default 0,
  done integer not null default 0,
  error integer not null default 0,
  canceled integer not null default 0,
  open integer not null,
  failed_attempts integer not null default 0,
  max_tries integer not null,
  max_losses integer not null,
  halted boolean not null default false,
  watched boolean not null default false,
  taken_seq bigint,
  primary key (job_no, shard),
  -- PostgreSQL compiles each check anew for each statement: these two are worth their price.
  constraint shard_open_counts_what_has_not_ended check (
    open = requeued + delayed + running + last_seq + 1 - next_seq
  ),
  constraint shard_counters_add_up check (
    open + done + error + canceled = last_seq + 1 - first_seq
  )
) with (fillfactor = 10);
comment on table falconeri.shards is 'A range of a job''s datums: cursor over the fresh ones, counters of the others.';
comment on column falconeri.shards.next_seq is 'The next datum never claimed so far; past last_seq when all were, or none ever will be.';
comment on column falconeri.shards.open is 'Datums that have not ended: ready, delayed or running.';
comment on column falconeri.shards.halted is 'Nothing is handed out: the job is paused or over.';
comment on column falconeri.shards.watched is 'Somebody waits for work: notify when some becomes ready.';
comment on column falconeri.shards.taken_seq is 'The fresh datum that the last completion took in the same update, if it did.';

-- Written once by COPY. No status, no index but the key: 10 million rows cost what their bytes cost.
-- No foreign key to jobs: its check would halve the speed of creation; delete_job removes both.
create table falconeri.datums (
  job_no bigint not null,
  seq bigint not null,
  inputs jsonb not null,
  primary key (job_no, seq),
  constraint datum_seq_fits_its_public_id check (seq between 1 and 1099511627775),
  constraint datum_inputs_is_an_array check (jsonb_typeof(inputs) = 'array')
);
comment on table falconeri.datums is 'One unit of work each: [{"uri", "local_path"}, …]. Immutable.';

-- Datums that are ready again.
create table falconeri.requeue (
  job_no bigint not null,
  shard integer not null,
  seq bigint not null,
  attempt integer not null,
  tries_used integer not null,
  losses_used integer not null,
  ready_at timestamptz,
  primary key (job_no, shard, seq)
);
comment on table falconeri.requeue is 'Datums ready for another attempt.';
comment on column falconeri.requeue.attempt is 'The number that the next attempt gets.';
comment on column falconeri.requeue.ready_at is 'Not before; null: now.';
create index requeue_delayed on falconeri.requeue (ready_at) where ready_at is not null;

create table falconeri.workers (
  worker_no bigint generated always as identity primary key,
  job_no bigint not null references falconeri.jobs,
  pod_name text not null,
  node_name text not null,
  leased boolean not null,
  registered_at timestamptz not null,
  ended_at timestamptz,
  end_class falconeri.failure_class,
  end_message text,
  constraint worker_pod_is_unique_in_its_job unique (job_no, pod_name),
  constraint worker_end_has_a_class check ((ended_at is null) = (end_class is null))
);
comment on table falconeri.workers is 'Every pod that ever asked for work of a job.';
comment on column falconeri.workers.leased is 'It sends heartbeats; one that never does is watched through its pod.';

-- What each worker holds: one row a slot, updated in place for every datum, never moved (HOT).
-- A slot of its own for each datum held at once makes every claim repeatable.
create table falconeri.claims (
  worker_no bigint not null references falconeri.workers,
  slot smallint not null,
  job_no bigint not null,
  shard integer not null,
  seq bigint,
  attempt integer,
  tries_used integer not null default 0,
  losses_used integer not null default 0,
  claimed_at timestamptz,
  primary key (worker_no, slot),
  constraint claim_is_whole check (
    (seq is null) = (attempt is null) and (seq is null) = (claimed_at is null)
  )
) with (fillfactor = 20);
comment on table falconeri.claims is 'A worker''s right to an attempt; seq is null while the slot is idle.';
create index claims_of_job on falconeri.claims (job_no);

-- Emptied by a crash of the database, which is harmless: a missing row means grace, not death.
-- No index on `at`: it would cost each heartbeat its HOT update; the table has a row a live worker.
create unlogged table falconeri.heartbeats (
  worker_no bigint primary key,
  at timestamptz not null
) with (fillfactor = 30);
comment on table falconeri.heartbeats is 'When a worker was last heard of.';

-- History: one row an ended attempt, never changed.
create table falconeri.attempts (
  job_no bigint not null,
  seq bigint not null,
  attempt integer not null,
  worker_no bigint not null,
  outcome falconeri.attempt_outcome not null,
  final boolean not null,
  failure_class falconeri.failure_class,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  exit_code integer,
  signal integer,
  output text not null default '',
  error_message text,
  backtrace text,
  bytes_in bigint,
  bytes_out bigint,
  cpu_s double precision,
  peak_memory_bytes bigint,
  primary key (job_no, seq, attempt),
  constraint attempt_failure_has_class_and_message check (
    (outcome = 'error') = (failure_class is not null and error_message is not null)
  ),
  constraint attempt_success_is_final check (outcome <> 'done' or final)
);
comment on table falconeri.attempts is 'One try at a datum by one worker, after it ended.';
comment on column falconeri.attempts.final is 'This attempt decided the datum.';
-- Successes are not in it, so that it costs the normal path nothing.
create index attempts_failed on falconeri.attempts (job_no, seq) where outcome = 'error';

create table falconeri.output_files (
  output_no bigint generated always as identity primary key,
  job_no bigint not null,
  seq bigint not null,
  attempt integer not null,
  uri text not null,
  status falconeri.output_status not null default 'running',
  size_bytes bigint,
  checksum text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint output_uri_is_unique_in_its_job unique (uri, job_no)
);
comment on table falconeri.output_files is 'Files that the current or successful attempts write.';
create index output_files_of_datum on falconeri.output_files (job_no, seq);

create table falconeri.deletions (
  uri text not null,
  job_no bigint not null,
  seq bigint not null,
  requested_at timestamptz not null,
  taken_at timestamptz,
  primary key (uri, job_no)
);
comment on table falconeri.deletions is 'Objects that failed attempts may have left behind.';
comment on column falconeri.deletions.requested_at is 'Not to be deleted before.';
comment on column falconeri.deletions.taken_at is 'A babysitter is deleting the object since then.';

create table falconeri.applied_code (
  checksum text not null,
  applied_at timestamptz not null default now()
);
comment on table falconeri.applied_code is 'Which functions and views this database has; one row.';
