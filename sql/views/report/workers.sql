-- Every pod that ever worked for a job, and what it holds now. Milliseconds for any job: a row a pod, and
-- a row a slot; never datums or attempts. What each has done is in report.worker_totals, which costs more.
create view report.workers as
select
  s.job_id, s.job_name, s.pod_name, s.node_name, s.state, s.datum_ids, s.held_since, s.registered_at,
  s.last_heartbeat_at, s.leased, s.ended_at, s.end_class::text as end_class, s.end_message, s.log_tails, s.rung
from falconeri.worker_states s;
comment on view report.workers is 'Every pod that ever worked for a job, and what it holds. Milliseconds for any job.';
comment on column report.workers.job_id is 'The job''s public id.';
comment on column report.workers.job_name is 'The job''s name, which is unique.';
comment on column report.workers.pod_name is 'The pod.';
comment on column report.workers.node_name is 'The node that it runs or ran on.';
comment on column report.workers.state is 'working, idle, or ended: the pod died, or its job is over.';
comment on column report.workers.datum_ids is 'What it holds, the longest held first.';
comment on column report.workers.held_since is 'When it got the longest held of them; null: it holds nothing.';
comment on column report.workers.registered_at is 'When it first asked for work, or said that it would.';
comment on column report.workers.last_heartbeat_at is 'Null: none so far, or the database crashed since.';
comment on column report.workers.leased is 'It sends heartbeats; the original''s workers never do.';
comment on column report.workers.ended_at is 'When its death was noticed; null: it lives, or left as it should.';
comment on column report.workers.end_class is 'Why the pod died; null: it lives, or left as it should.';
comment on column report.workers.end_message is 'The same in words; null: it lives, or left as it should.';
comment on column report.workers.log_tails is 'The end of what the program has printed for each of datum_ids, at the last heartbeat; null: nothing so far.';
comment on column report.workers.rung is 'How much memory it has: see report.rungs. 0 without a ladder.';
