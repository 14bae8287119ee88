-- The files that current and successful attempts write; those of failed attempts are deleted, and leave.
-- Costs the number of files of the job that is asked for by job_id or job_name; without either, all.
create view report.outputs as
select
  falconeri._public_id(3, f.output_no, 0, 0) as output_id, j.id as job_id, j.job_name,
  falconeri._datum_id(f.job_no, f.seq) as datum_id, f.attempt, f.uri, f.status::text as status,
  f.size_bytes, f.checksum, f.created_at, f.updated_at
from falconeri.output_files f
join falconeri.jobs j on j.job_no = f.job_no and j.deleted_at is null;
comment on view report.outputs is 'Files that current and successful attempts write. Costs the job''s files.';
comment on column report.outputs.status is 'running (announced, being uploaded), done or error.';
comment on column report.outputs.checksum is 'As the store reported it; null: unknown.';
