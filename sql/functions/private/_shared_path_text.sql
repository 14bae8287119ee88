-- Names a file with this local path (no slash at its end) and one of another factor there or below.
create function falconeri._shared_path_text(p_job_no bigint, p_factors integer[], p_path text)
returns text
language sql stable
begin atomic
  with files as (
    select array_position(p_factors, f.factor) as place, i.uri, i.local_path,
      rtrim(i.local_path, '/') as path
    from falconeri.factors f, jsonb_array_elements(f.inputs) d (inputs),
      jsonb_to_recordset(d.inputs) i (uri text, local_path text)
    where f.job_no = p_job_no and f.factor = any (p_factors)
  ),
  outermost as (
    select f.* from files f where f.path = p_path order by f.place limit 1
  )
  select format('%s as %s, %s as %s', o.uri, o.local_path, f.uri, f.local_path)
  from outermost o join files f
    on f.place <> o.place and starts_with(f.path || '/', p_path || '/')
  order by f.path collate "C", f.place limit 1;
end;
comment on function falconeri._shared_path_text(bigint, integer[], text)
is 'Names a file with this local path (no slash at its end) and one of another factor there or below.';
