-- Turns the output files of a failed attempt into a list of objects to delete.
create function falconeri._abandon_outputs(p_job_no bigint, p_seq bigint) returns void
language sql volatile
begin atomic
  with gone as (
    delete from falconeri.output_files f
    where f.job_no = p_job_no and f.seq = p_seq
    returning f.uri
  )
  insert into falconeri.deletions (uri, job_no, seq, requested_at)
  select gone.uri, p_job_no, p_seq, falconeri._now() from gone
  on conflict (uri, job_no) do nothing;
end;
comment on function falconeri._abandon_outputs(bigint, bigint)
is 'Turns the output files of a failed attempt into a list of objects to delete.';
