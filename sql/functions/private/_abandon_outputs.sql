-- Turns the output files of a failed attempt into a list of objects to delete.
--   p_wait_s   seconds before they may be deleted: whoever was writing them may not know yet that he has lost
--              them, and an upload that ends after the deletion would leave an object that nobody knows
create function falconeri._abandon_outputs(p_job_no bigint, p_seq bigint, p_wait_s integer) returns void
language sql volatile
begin atomic
  with gone as (
    delete from falconeri.output_files f
    where f.job_no = p_job_no and f.seq = p_seq
    returning f.uri
  )
  insert into falconeri.deletions (uri, job_no, seq, requested_at)
  select gone.uri, p_job_no, p_seq, falconeri._now() + make_interval(secs => p_wait_s) from gone
  on conflict (uri, job_no) do nothing;
end;
comment on function falconeri._abandon_outputs(bigint, bigint, integer)
is 'Turns the output files of a failed attempt into a list of objects to delete.';
