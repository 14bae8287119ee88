-- What a datum reads: [{"uri", "local_path"}, …], or null if there is no such datum
-- (complete_and_claim, which has to be fast, has a copy of the query).
create function falconeri._inputs(p_job_no bigint, p_seq bigint) returns jsonb
language sql stable
begin atomic
  select d.inputs -> (p_seq - d.first_seq)::integer
  from falconeri.datum_chunks d where d.job_no = p_job_no and d.first_seq <= p_seq
  order by d.first_seq desc limit 1;
end;
comment on function falconeri._inputs(bigint, bigint) is 'What a datum reads.';
