-- The table `input_files` of falconeri 2.0.0-alpha.5, for SQL that was written against it. Times are UTC,
-- without a zone. Costs the size of the job that is asked for by job_id; without it, all jobs.
create view compat.input_files as
select
  falconeri._public_id(2, d.job_no, d.first_seq + c.place - 1, i.place::integer) as id,
  j.created_at at time zone 'UTC' as created_at,
  falconeri._datum_id(d.job_no, d.first_seq + c.place - 1) as datum_id,
  i.file ->> 'uri' as uri, i.file ->> 'local_path' as local_path, j.id as job_id
from falconeri.datum_chunks d
join falconeri.jobs j on j.job_no = d.job_no and j.deleted_at is null
cross join lateral jsonb_array_elements(d.inputs) with ordinality c (inputs, place)
cross join lateral jsonb_array_elements(c.inputs) with ordinality i (file, place);
comment on view compat.input_files is 'The original''s table `input_files`, to read.';
