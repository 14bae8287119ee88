-- The table `output_files` of falconeri 2.0.0-alpha.5, for SQL that was written against it. Times are UTC,
-- without a zone. Costs the number of files of the job that is asked for by job_id; without it, all.
create view compat.output_files as
select
  falconeri._public_id(3, f.output_no, 0, 0) as id, f.created_at at time zone 'UTC' as created_at,
  f.updated_at at time zone 'UTC' as updated_at, f.status::text::falconeri.datum_status as status,
  j.id as job_id, falconeri._datum_id(f.job_no, f.seq) as datum_id, f.uri
from falconeri.output_files f
join falconeri.jobs j on j.job_no = f.job_no and j.deleted_at is null;
comment on view compat.output_files is 'The original''s table `output_files`, to read.';
