-- A new job's name, which is its Kubernetes Job's too: the pipeline's name and a random tag.
create function falconeri._job_name(p_pipeline_name text) returns text
language sql volatile
begin atomic
  select lower(replace(p_pipeline_name, '_', '-')) || '-' || string_agg(
    substr('abcdefghijklmnopqrstuvwxyz0123456789', 1 + floor(random() * 36)::integer, 1), ''
  )
  from generate_series(1, 10);
end;
comment on function falconeri._job_name(text)
is 'A new job''s name, which is its Kubernetes Job''s too: the pipeline''s name and a random tag.';
