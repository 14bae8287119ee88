-- A held datum in a worker's words.
create function falconeri._held_work(p_job_no bigint, p_seq bigint, p_attempt integer)
returns falconeri.work
language sql stable
begin atomic
  select 'claimed'::falconeri.verdict, falconeri._datum_id(p_job_no, p_seq), p_attempt,
    falconeri._inputs(p_job_no, p_seq);
end;
comment on function falconeri._held_work(bigint, bigint, integer)
is 'A held datum in a worker''s words.';
