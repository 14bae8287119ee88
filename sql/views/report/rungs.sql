-- Jobs with a ladder of memory: how much each rung's workers get, what waits for them and what they do.
-- Costs the number of datums that wait for more memory, and of workers.
create view report.rungs as
select s.job_id, s.job_name, s.rung, s.memory, s.ready, s.running, s.live_workers
from falconeri.rung_states s;
comment on view report.rungs is 'The rungs of jobs with a ladder of memory, with what waits for them. Costs the number of datums that wait for more memory, and of workers.';
comment on column report.rungs.job_id is 'The job''s public id.';
comment on column report.rungs.job_name is 'The job''s name, which is unique.';
comment on column report.rungs.rung is '0: where all datums begin; those that ran out of memory there are on the next.';
comment on column report.rungs.memory is 'What each of its workers gets, as Kubernetes writes it.';
comment on column report.rungs.ready is 'Datums that wait for a worker of it, also those that wait after a failure.';
comment on column report.rungs.running is 'Datums that its workers hold.';
comment on column report.rungs.live_workers is 'Its registered pods that are not known to have died.';
