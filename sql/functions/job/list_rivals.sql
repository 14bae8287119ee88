-- The other running jobs that may write the same names, because one's egress URI begins with the other's.
--   p_limit   at most so many
-- Returns 0..p_limit rows, the oldest job first.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.list_rivals(p_job_id uuid, p_limit integer)
returns table (job_id uuid, job_name text, egress_uri text)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_rivals bigint[] := falconeri._rivals((falconeri._require_job(p_job_id)).job_no);
begin
  return query
  select j.id, j.job_name, j.egress_uri from falconeri.jobs j
  where j.job_no = any (v_rivals) order by j.job_no limit p_limit;
end
$$;
comment on function falconeri.list_rivals(uuid, integer)
is 'The other running jobs that may write the same names.';
