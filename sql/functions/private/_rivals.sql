-- The other running jobs that may write the same names, because one's egress URI begins with the other's;
-- null: none. Costs a look at the running jobs, of which there are few.
create function falconeri._rivals(p_job_no bigint) returns bigint[]
language plpgsql stable as $$
declare
  v_rivals bigint[];
begin
  select array_agg(r.job_no) into v_rivals
  from falconeri.jobs j join falconeri.jobs r
    on starts_with(r.egress_uri, j.egress_uri) or starts_with(j.egress_uri, r.egress_uri)
  where j.job_no = p_job_no and r.status = 'running' and r.job_no <> j.job_no;
  return v_rivals;
end
$$;
comment on function falconeri._rivals(bigint)
is 'The other running jobs that may write the same names, because one''s egress URI begins with the other''s.';
