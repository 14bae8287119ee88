-- Puts an object back that could not be deleted: to be tried again in ten minutes. Meanwhile a new attempt
-- may write it, for nobody is deleting.
-- Locks: its row.
create function falconeri.release_deletion(p_job_id uuid, p_uri text) returns void
language sql volatile
begin atomic
  update falconeri.deletions x set
    taken_at = null, requested_at = falconeri._now() + interval '10 minutes'
  from falconeri.jobs j
  where j.id = p_job_id and x.job_no = j.job_no and x.uri = p_uri;
end;
comment on function falconeri.release_deletion(uuid, text)
is 'Puts an object back that could not be deleted: to be tried again in ten minutes.';
