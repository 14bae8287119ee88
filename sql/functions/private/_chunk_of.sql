-- The number of the first datum of the chunk that a datum is in; null: there is none.
create function falconeri._chunk_of(p_job_no bigint, p_seq bigint) returns bigint
language sql stable
begin atomic
  select d.first_seq from falconeri.datum_chunks d
  where d.job_no = p_job_no and d.first_seq <= p_seq
  order by d.first_seq desc limit 1;
end;
comment on function falconeri._chunk_of(bigint, bigint)
is 'The number of the first datum of the chunk that a datum is in.';
