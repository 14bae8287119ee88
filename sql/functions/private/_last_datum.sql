-- The number of the last datum that was written of a new job; 0: none so far.
create function falconeri._last_datum(p_job_no bigint) returns bigint
language sql volatile
begin atomic
  select coalesce((
    select d.first_seq + jsonb_array_length(d.inputs) - 1 from falconeri.datum_chunks d
    where d.job_no = p_job_no order by d.first_seq desc limit 1
  ), 0);
end;
comment on function falconeri._last_datum(bigint)
is 'The number of the last datum that was written of a new job; 0: none so far.';
