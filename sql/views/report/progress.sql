-- How far each job was in each quarter of a minute of the last hour while it ran: a curve. Milliseconds
-- for any job; it is noted by the babysitter, whatever the number of datums.
create view report.progress as
select j.id as job_id, j.job_name, p.at, p.ended, p.paused
from falconeri.progress_samples p
join falconeri.jobs j on j.job_no = p.job_no and j.deleted_at is null;
comment on view report.progress is 'How far each job was, each 15 s of the last hour. Milliseconds for any job.';
comment on column report.progress.job_id is 'The job''s public id.';
comment on column report.progress.job_name is 'The job''s name, which is unique.';
comment on column report.progress.at is 'When it was noted.';
comment on column report.progress.ended is 'Datums done or failed for good by then.';
comment on column report.progress.paused is 'The job was paused then.';
