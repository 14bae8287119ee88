-- Notes the files that an attempt is about to upload: before the upload, so that none is ever orphaned.
--   p_attempt   null: whichever attempt the pod holds (the original's workers)
-- Returns a row a file, also for a repeat with the same set.
-- Raises ZF002 datum_not_found, ZF003 claim_lost, ZF004 job_not_running, ZF005 output_clash (another
-- datum of the job or of another running job writes one of them), ZF006 outputs_mismatch (registered
-- before, another set), ZF008 output_busy (one is being deleted for an earlier attempt), ZF009
-- invalid_input (one named twice, or not below the job's egress URI).
-- Locks: one claim, its shard (KEY SHARE: the job can't be ended meanwhile), the names of the files
-- (advisory), their rows.
create function falconeri.register_outputs(
  p_datum_id uuid, p_pod_name text, p_attempt integer, p_uris text[]
) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.output_status, job_id uuid,
  datum_id uuid, uri text, size_bytes bigint, checksum text
)
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_claim falconeri.claims := falconeri._lock_claim(p_datum_id, p_pod_name, p_attempt);
  v_known text[];
begin
  perform falconeri._require_running(v_claim);
  select array_agg(f.uri) into v_known
  from falconeri.output_files f where f.job_no = v_claim.job_no and f.seq = v_claim.seq;
  if v_known is null then
    perform falconeri._insert_outputs(v_claim, p_uris);
  elsif not (v_known @> p_uris and p_uris @> v_known) then
    raise exception using errcode = 'ZF006', message = 'output files mismatch',
      detail = jsonb_build_object('datum_id', p_datum_id, 'registered', to_jsonb(v_known));
  end if;
  return query
  select falconeri._public_id(3, f.output_no, 0, 0), f.created_at, f.updated_at, f.status, j.id,
    p_datum_id, f.uri, f.size_bytes, f.checksum
  from falconeri.output_files f join falconeri.jobs j using (job_no)
  where f.job_no = v_claim.job_no and f.seq = v_claim.seq
  order by f.output_no;
end
$$;
comment on function falconeri.register_outputs(uuid, text, integer, text[])
is 'Notes the files that an attempt is about to upload: before the upload, so that none is ever orphaned.';
