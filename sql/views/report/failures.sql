-- What goes wrong: failed attempts of a job, grouped by what their messages have in common. Costs the number
-- of failed attempts (an index has only those), however many datums were done.
create view report.failures as
select
  j.id as job_id, j.job_name, a.failure_class::text as failure_class,
  falconeri._fingerprint(a.error_message) as error, a.exit_code, a.signal,
  count(*) as attempts, count(distinct a.seq) as datums, count(*) filter (where a.final) as given_up,
  min(a.finished_at) as first_at, max(a.finished_at) as last_at,
  falconeri._datum_id(j.job_no, min(a.seq)) as example_datum_id, min(a.error_message) as example_message
from falconeri.attempts a
join falconeri.jobs j on j.job_no = a.job_no and j.deleted_at is null
where a.outcome = 'error'
group by j.job_no, j.id, j.job_name, a.failure_class, falconeri._fingerprint(a.error_message),
  a.exit_code, a.signal;
comment on view report.failures is 'Failed attempts by what they have in common. Costs their number.';
comment on column report.failures.job_id is 'The job''s public id.';
comment on column report.failures.job_name is 'The job''s name, which is unique.';
comment on column report.failures.failure_class is 'Whose fault it was: command, timeout, out_of_memory, lost_worker, evicted, storage or internal.';
comment on column report.failures.error is 'The message, with <uri>, <uuid>, <path>, <hex> and <n> in place of what differs.';
comment on column report.failures.exit_code is 'Of the program; null: a signal ended it, it goes on (resident), or nobody knows.';
comment on column report.failures.signal is 'The number of the signal that ended the program; null: none did, or nobody knows.';
comment on column report.failures.attempts is 'How many attempts failed so.';
comment on column report.failures.datums is 'How many datums failed so, whatever became of them later.';
comment on column report.failures.given_up is 'How many of them will not be tried again.';
comment on column report.failures.first_at is 'When the first of these attempts ended.';
comment on column report.failures.last_at is 'When the latest of them ended.';
comment on column report.failures.example_datum_id is 'One of these datums.';
comment on column report.failures.example_message is 'One of these messages, as it was.';
