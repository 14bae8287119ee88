-- Says why not all of these files could be written down: one belongs to another datum of the job.
-- Raises ZF005 output_clash, naming both datums; ZF008 output_busy if the other one has just given it up.
create function falconeri._refuse_clash(p_claim falconeri.claims, p_uris text[]) returns void
language plpgsql volatile as $$
declare
  v_other record;
begin
  select f.uri, f.seq into v_other from falconeri.output_files f
  where f.job_no = p_claim.job_no and f.uri = any (p_uris) and f.seq <> p_claim.seq
  order by f.uri limit 1;
  if found then
    raise exception using errcode = 'ZF005', message = 'two datums write the same output',
      detail = jsonb_build_object(
        'uri', v_other.uri,
        'datum_id', falconeri._datum_id(p_claim.job_no, p_claim.seq),
        'other_datum_id', falconeri._datum_id(p_claim.job_no, v_other.seq)
      );
  end if;
  raise exception using errcode = 'ZF008', message = 'output is being cleaned up',
    detail = jsonb_build_object('datum_id', falconeri._datum_id(p_claim.job_no, p_claim.seq));
end
$$;
comment on function falconeri._refuse_clash(falconeri.claims, text[])
is 'Says why not all of these files could be written down: one belongs to another datum of the job.';
