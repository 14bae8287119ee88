-- Notes what became of the uploads of an attempt. The arrays are parallel; a repeat is fine.
-- Raises ZF002 datum_not_found, ZF003 claim_lost, ZF004 job_not_running, ZF009 invalid_input for a file
-- of another datum, and for what is not the end of an upload.
-- Locks: one claim, its shard (KEY SHARE: the job can't be ended meanwhile), the rows of the files.
create function falconeri.settle_outputs(
  p_datum_id uuid, p_pod_name text, p_attempt integer, p_output_ids uuid[],
  p_statuses falconeri.output_status[], p_sizes_bytes bigint[], p_checksums text[]
) returns void
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_claim falconeri.claims := falconeri._lock_claim(p_datum_id, p_pod_name, p_attempt);
  v_settled integer;
begin
  perform falconeri._require_running(v_claim);
  if exists (
    select from unnest(p_statuses, p_sizes_bytes) u (status, size_bytes)
    where u.status is null or u.status = 'running' or u.size_bytes < 0
  ) then
    raise exception using errcode = 'ZF009', message = 'an upload ends as done or error, with no size below 0',
      detail = jsonb_build_object('datum_id', p_datum_id);
  end if;
  update falconeri.output_files f set
    status = u.status, size_bytes = u.size_bytes, checksum = u.checksum, updated_at = falconeri._now()
  from unnest(p_output_ids, p_statuses, p_sizes_bytes, p_checksums)
    u (output_id, status, size_bytes, checksum)
  where f.output_no = falconeri._output_no(u.output_id)
    and f.job_no = v_claim.job_no and f.seq = v_claim.seq;
  get diagnostics v_settled = row_count;
  if v_settled <> cardinality(p_output_ids) then
    raise exception using errcode = 'ZF009', message = 'not all of these are output files of the datum',
      detail = jsonb_build_object('datum_id', p_datum_id);
  end if;
end
$$;
comment on function falconeri.settle_outputs(
  uuid, text, integer, uuid[], falconeri.output_status[], bigint[], text[]
) is 'Notes what became of the uploads of an attempt.';
