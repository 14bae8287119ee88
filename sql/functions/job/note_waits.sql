-- Notes why workers don't work yet, in place of what was noted before; to be called again and again with
-- all that the cluster says, by any number of babysitters. What is said of an ended job is dropped.
--   p_waits   [{"job_id", "reason", "message", "pod_count"}, …]: a reason is one word, a message one line
-- Returns how many rows it has changed: none if nothing is new, and then nothing is written.
-- Raises 23514 for a reason that is no word, or for no pods.   Locks: the table, against other writers.
create function falconeri.note_waits(p_waits jsonb) returns integer
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_count integer;
begin
  lock table falconeri.waits in share row exclusive mode;
  with said as (
    select j.job_no, w.reason, left(w.message, 500) as message, sum(w.pod_count)::integer as pod_count
    from jsonb_to_recordset(p_waits) as w(job_id uuid, reason text, message text, pod_count integer)
    join falconeri.jobs j on j.id = w.job_id and j.status = 'running'
    group by 1, 2, 3
  ), gone as (
    delete from falconeri.waits w
    where not exists (
      select from said s
      where (s.job_no, s.reason, s.message) = (w.job_no, w.reason, w.message)
    )
    returning 1
  ), noted as (
    insert into falconeri.waits as w (job_no, reason, message, pod_count, since)
    select s.job_no, s.reason, s.message, s.pod_count, falconeri._now() from said s
    on conflict (job_no, reason, message) do update set pod_count = excluded.pod_count
    where w.pod_count <> excluded.pod_count
    returning 1
  )
  select (select count(*) from gone) + (select count(*) from noted) into v_count;
  return v_count;
end
$$;
comment on function falconeri.note_waits(jsonb)
is 'Notes why workers don''t work yet, in place of what was noted before.';
