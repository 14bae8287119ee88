-- Why a job's workers don't work yet, as the cluster tells it: nowhere to run, no image, a quota. A few rows a
-- job at most, replaced by each look at the cluster that sees something else. No foreign key to jobs: who
-- notes what the whole cluster says should wait for nobody who deletes a job; `delete_job` removes both.
create table falconeri.waits (
  job_no bigint not null,
  reason text not null,
  message text not null,
  pod_count integer not null,
  since timestamptz not null,
  primary key (job_no, reason, message),
  constraint wait_concerns_pods check (pod_count > 0),
  constraint wait_reason_is_a_word check (reason ~ '^[a-z][a-z_]*$')
);
comment on table falconeri.waits is 'Why workers of running jobs don''t work yet, as the cluster says.';
comment on column falconeri.waits.message is 'One line for people, without the names of pods: cut at 500 characters.';
comment on column falconeri.waits.pod_count is 'How many workers it holds up.';
comment on column falconeri.waits.since is 'When it was first seen.';
