-- Tells every falconerid that something about a job changed: it ended, was paused or resumed, or work became ready.
-- Only at transitions: a NOTIFY in each commit would cost two thirds of the throughput.
create function falconeri._notify_job(p_job_no bigint) returns void
language sql volatile
begin atomic
  select pg_notify('falconeri_job', j.id::text) from falconeri.jobs j where j.job_no = p_job_no;
end;
comment on function falconeri._notify_job(bigint)
is 'Tells every falconerid that something about a job changed: it ended, was paused or resumed, or work became ready.';
