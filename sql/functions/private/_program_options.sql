-- What a stored spec says of how its program is to be run, for its workers; nothing of what it leaves out.
create function falconeri._program_options(p_pipeline_spec jsonb) returns jsonb
language sql immutable parallel safe
begin atomic
  select coalesce(jsonb_object_agg(f.key, f.value), '{}')
  from jsonb_each(
    coalesce(p_pipeline_spec -> 'transform', '{}')
      || jsonb_build_object('datum_timeout_s', p_pipeline_spec -> 'datum_timeout')
  ) f (key, value)
  where f.key in (
    'stdin', 'working_dir', 'accept_return_code', 'err_cmd', 'err_stdin', 'resident', 'datum_timeout_s'
  ) and f.value <> 'null';
end;
comment on function falconeri._program_options(jsonb)
is 'What a stored spec says of how its program is to be run, for its workers.';
