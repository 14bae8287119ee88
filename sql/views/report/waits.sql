-- Why workers of running jobs don't work yet, as the cluster says. Milliseconds for any job: a few rows each.
create view report.waits as
select j.id as job_id, j.job_name, w.reason, w.message, w.pod_count, w.since
from falconeri.waits w
join falconeri.jobs j on j.job_no = w.job_no and j.status = 'running' and j.deleted_at is null;
comment on view report.waits is 'Why workers of running jobs don''t work yet. Milliseconds for any job.';
comment on column report.waits.job_id is 'The job''s public id.';
comment on column report.waits.job_name is 'The job''s name, which is unique.';
comment on column report.waits.reason is 'One word: unschedulable, image, quota, configuration, volume, start.';
comment on column report.waits.message is 'What the cluster says, without the names of pods.';
comment on column report.waits.pod_count is 'How many workers it holds up.';
comment on column report.waits.since is 'When it was first seen.';
