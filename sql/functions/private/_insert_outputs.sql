-- Writes the rows of an attempt's files, in the order of their URIs, so that two datums with the same
-- names wait for each other instead of dead-locking.
-- Raises ZF005 output_clash, ZF008 output_busy, ZF009 invalid_input.
-- Locks: the names of the files, then their rows.
create function falconeri._insert_outputs(p_claim falconeri.claims, p_uris text[]) returns void
language plpgsql volatile as $$
declare
  v_uri text;
  v_count integer;
begin
  perform falconeri._check_uris(p_claim.job_no, p_uris);
  perform falconeri._lock_names(p_claim.job_no, p_uris);
  perform falconeri._refuse_rival(p_claim, p_uris);

  insert into falconeri.output_files (job_no, seq, attempt, uri, created_at, updated_at)
  select p_claim.job_no, p_claim.seq, p_claim.attempt, u.uri, falconeri._now(), falconeri._now()
  from unnest(p_uris) u (uri) order by u.uri
  on conflict (uri, job_no) do nothing;
  get diagnostics v_count = row_count;
  if v_count < cardinality(p_uris) then
    perform falconeri._refuse_clash(p_claim, p_uris);
  end if;

  -- Only now: whoever gave one of these names up while we waited for it has asked for its deletion.
  delete from falconeri.deletions x where x.uri = any (p_uris) and x.taken_at is null;
  select x.uri into v_uri from falconeri.deletions x where x.uri = any (p_uris) limit 1;
  if found then
    raise exception using errcode = 'ZF008', message = 'output is being cleaned up',
      detail = jsonb_build_object('uri', v_uri);
  end if;
end
$$;
comment on function falconeri._insert_outputs(falconeri.claims, text[])
is 'Writes the rows of an attempt''s files.';
