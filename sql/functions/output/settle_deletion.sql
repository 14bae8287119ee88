-- Notes that an object is gone.
-- Locks: its row.
create function falconeri.settle_deletion(p_job_id uuid, p_uri text) returns void
language sql volatile
begin atomic
  delete from falconeri.deletions x using falconeri.jobs j
  where j.id = p_job_id and x.job_no = j.job_no and x.uri = p_uri;
end;
comment on function falconeri.settle_deletion(uuid, text) is 'Notes that an object is gone.';
