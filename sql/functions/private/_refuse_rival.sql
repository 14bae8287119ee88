-- Refuses files of which another running job has written down one. What a job wrote that has ended may be
-- overwritten.
--   p_uris   locked by _lock_names, so that the answer stays true
-- Raises ZF005 output_clash, naming both datums and the other job.
create function falconeri._refuse_rival(p_claim falconeri.claims, p_uris text[]) returns void
language plpgsql volatile as $$
declare
  -- Looked for again: a rival that came while we waited for the locks may have registered.
  v_rivals bigint[] := falconeri._rivals(p_claim.job_no);
  v_other record;
begin
  if v_rivals is null then
    return;
  end if;
  select f.uri, f.seq, j.id, j.job_no into v_other
  from falconeri.output_files f join falconeri.jobs j using (job_no)
  where f.uri = any (p_uris) and f.job_no = any (v_rivals)
  order by f.uri limit 1;
  if found then
    raise exception using errcode = 'ZF005', message = 'two running jobs write the same output',
      detail = jsonb_build_object(
        'uri', v_other.uri,
        'datum_id', falconeri._datum_id(p_claim.job_no, p_claim.seq),
        'other_datum_id', falconeri._datum_id(v_other.job_no, v_other.seq),
        'other_job_id', v_other.id
      );
  end if;
end
$$;
comment on function falconeri._refuse_rival(falconeri.claims, text[])
is 'Refuses files of which another running job has written down one.';
