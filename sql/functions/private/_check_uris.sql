-- Refuses files that can't be a job's outputs: one named twice, or one that is not below its egress URI.
-- Whoever knows a job's token may ask for anything here, and what is written down may come to be deleted.
-- Raises ZF009 invalid_input.
create function falconeri._check_uris(p_job_no bigint, p_uris text[]) returns void
language plpgsql stable as $$
declare
  v_uri text;
begin
  select u.uri into v_uri from unnest(p_uris) u (uri) group by u.uri having count(*) > 1 limit 1;
  if found then
    raise exception using errcode = 'ZF009', message = 'an output file is named twice',
      detail = jsonb_build_object('uri', v_uri);
  end if;
  select u.uri into v_uri from falconeri.jobs j, unnest(p_uris) u (uri)
  where j.job_no = p_job_no and not starts_with(
    u.uri, case when right(j.egress_uri, 1) = '/' then j.egress_uri else j.egress_uri || '/' end
  )
  limit 1;
  if found then
    raise exception using errcode = 'ZF009', message = 'an output file is not below the job''s egress URI',
      detail = jsonb_build_object('uri', v_uri);
  end if;
end
$$;
comment on function falconeri._check_uris(bigint, text[])
is 'Refuses files that can''t be a job''s outputs: one named twice, or one that is not below its egress URI.';
