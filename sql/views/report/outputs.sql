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
comment on column report.outputs.output_id is 'The file''s public id.';
comment on column report.outputs.job_id is 'The job''s public id.';
comment on column report.outputs.job_name is 'The job''s name, which is unique.';
comment on column report.outputs.datum_id is 'The public id of the datum that writes it.';
comment on column report.outputs.attempt is 'Which try at this datum writes it, from 1.';
comment on column report.outputs.uri is 'Where it is, or will be.';
comment on column report.outputs.status is 'running (announced, being uploaded), done or error.';
comment on column report.outputs.size_bytes is 'Its size in bytes; null: not uploaded, or its worker didn''t say.';
comment on column report.outputs.checksum is 'As the store reported it; null: unknown.';
comment on column report.outputs.created_at is 'When it was announced, before its upload began.';
comment on column report.outputs.updated_at is 'When its upload ended; until then, when it was announced.';
