-- Hands out objects of failed attempts to delete. One whose datum may still write it is left for later;
-- one taken long ago by a babysitter that died is handed out again.
-- Returns 0..p_limit rows.   Locks: the rows (SKIP LOCKED).
create function falconeri.take_deletions(p_limit integer)
returns table (uri text, job_id uuid, pipeline_spec jsonb)
language sql volatile
begin atomic
  with due as (
    select x.uri, x.job_no from falconeri.deletions x join falconeri.jobs j using (job_no)
    where (x.taken_at is null or x.taken_at < falconeri._now() - interval '10 minutes')
      and x.requested_at <= falconeri._now()
      and j.status <> 'running'
      -- Another datum or another job may have written the same name properly.
      and not exists (select from falconeri.output_files f where f.uri = x.uri)
    order by x.requested_at limit p_limit
    for update of x skip locked
  )
  update falconeri.deletions x set taken_at = falconeri._now()
  from due, falconeri.jobs j
  where x.uri = due.uri and x.job_no = due.job_no and j.job_no = x.job_no
  returning x.uri, j.id, j.pipeline_spec;
end;
comment on function falconeri.take_deletions(integer)
is 'Hands out objects of failed attempts to delete.';
