-- A page of the files that a job's current and successful attempts write, in the order of its datums:
-- all files of some datums, so that a page goes on behind a datum whatever becomes of its files.
--   p_after   the last datum of the page before; null: from the first
--   p_limit   the files of at most so many datums that have any
-- Returns 0..n rows.   Raises ZF001 job_not_found, ZF002 datum_not_found for p_after.   Locks: nothing.
create function falconeri.list_outputs(p_job_id uuid, p_after uuid, p_limit integer) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.output_status, job_id uuid,
  datum_id uuid, uri text, size_bytes bigint, checksum text
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_after bigint := case when p_after is not null then (falconeri._datum_key(p_after)).seq else 0 end;
begin
  return query
  select falconeri._public_id(3, f.output_no, 0, 0), f.created_at, f.updated_at, f.status, v_job.id,
    falconeri._datum_id(f.job_no, f.seq), f.uri, f.size_bytes, f.checksum
  from (
    select distinct o.seq from falconeri.output_files o
    where o.job_no = v_job.job_no and o.seq > v_after
    order by o.seq limit p_limit
  ) d
  join falconeri.output_files f on f.job_no = v_job.job_no and f.seq = d.seq
  order by f.seq, f.output_no;
end
$$;
comment on function falconeri.list_outputs(uuid, uuid, integer)
is 'A page of the files that a job''s current and successful attempts write.';
