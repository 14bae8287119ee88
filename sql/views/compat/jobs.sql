-- The table `jobs` of falconeri 2.0.0-alpha.5, for SQL that was written against it. Times are UTC, without
-- a zone. Milliseconds.
create view compat.jobs as
select
  j.id, j.created_at at time zone 'UTC' as created_at, j.updated_at at time zone 'UTC' as updated_at,
  -- The one enum type with the words of the original's `status`, in its order.
  j.status::text::falconeri.datum_status as status,
  j.pipeline_spec, j.job_name, j.command, j.egress_uri
-- A view over one table alone could be written to by its owner, past all rules.
from (select) as read_only, falconeri.jobs j
where j.deleted_at is null;
comment on view compat.jobs is 'The original''s table `jobs`, to read.';
