-- For falconerid: to call every function and to read and write rows as they do, but to create, change or
-- drop nothing. Migrations are run by the owner.
grant usage on schema falconeri, procrastinate to falconeri_server;
grant execute on all functions in schema falconeri, procrastinate to falconeri_server;
grant select, insert, update, delete on all tables in schema falconeri, procrastinate to falconeri_server;
grant usage on all sequences in schema falconeri, procrastinate to falconeri_server;
-- How far jobs are, for those who watch them: list_progress.
grant select on report.jobs to falconeri_server;
-- Written once: what a datum is, and what happened to it.
revoke update on falconeri.datum_chunks, falconeri.attempts from falconeri_server;
-- The bookkeeping of migrations.
revoke insert, update, delete on falconeri.applied_code from falconeri_server;
revoke all on falconeri._yoyo_log, falconeri._yoyo_migration, falconeri._yoyo_version, falconeri.yoyo_lock,
  procrastinate._yoyo_log, procrastinate._yoyo_migration, procrastinate._yoyo_version,
  procrastinate.yoyo_lock
from falconeri_server;
