-- A page of a job's datums with their states, in their order.
--   p_status   only these; null: all. Quick for running and error ones however many datums there are; of
--              the others it reads on until the page is full.
--   p_after    the last datum of the page before; null: from the first
--   p_limit    at most so many
-- Returns 0..p_limit rows.   Raises ZF001 job_not_found, ZF002 datum_not_found for p_after.   Locks: nothing.
create function falconeri.list_datums(
  p_job_id uuid, p_status falconeri.datum_status, p_after uuid, p_limit integer
) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.datum_status, job_id uuid,
  error_message text, node_name text, pod_name text, backtrace text, output text,
  attempted_run_count integer, maximum_allowed_run_count integer
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_after bigint := case when p_after is not null then (falconeri._datum_key(p_after)).seq else 0 end;
  v_seqs bigint[];
begin
  if p_status = 'running' then
    select coalesce(array_agg(c.seq), '{}') into v_seqs from (
      select c.seq from falconeri.claims c where c.job_no = v_job.job_no and c.seq > v_after
      order by c.seq limit p_limit
    ) c;
  elsif p_status = 'error' then
    select coalesce(array_agg(a.seq), '{}') into v_seqs from (
      select a.seq from falconeri.attempts a
      where a.job_no = v_job.job_no and a.outcome = 'error' and a.final and a.seq > v_after
      order by a.seq limit p_limit
    ) a;
  end if;
  if v_seqs is not null then
    return query
    select s.id, s.created_at, s.updated_at, s.status, s.job_id, s.error_message, s.node_name, s.pod_name,
      s.backtrace, s.output, s.attempted_run_count, s.maximum_allowed_run_count
    from unnest(v_seqs) d (seq)
    join falconeri.datum_states s
      on s.job_no = v_job.job_no and s.first_seq = falconeri._chunk_of(v_job.job_no, d.seq) and s.seq = d.seq
    where s.status = p_status
    order by s.seq;
    return;
  end if;
  return query
  select s.id, s.created_at, s.updated_at, s.status, s.job_id, s.error_message, s.node_name, s.pod_name,
    s.backtrace, s.output, s.attempted_run_count, s.maximum_allowed_run_count
  from falconeri.datum_states s
  where s.job_no = v_job.job_no and s.seq > v_after
    and s.first_seq >= coalesce(falconeri._chunk_of(v_job.job_no, v_after), 0)
    and (p_status is null or s.status = p_status)
  -- In the order of the chunks' index: they are read until the page is full, and no further.
  order by s.first_seq, s.seq limit p_limit;
end
$$;
comment on function falconeri.list_datums(uuid, falconeri.datum_status, uuid, integer)
is 'A page of a job''s datums with their states, in their order.';
