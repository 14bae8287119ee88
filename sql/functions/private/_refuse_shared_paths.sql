-- Refuses factors of which two have the same local path, or one lies in a directory of the other:
-- some combination will have both. Looks at each path once, not at the combinations.
-- Raises ZF009 invalid_input, naming two such files.
create function falconeri._refuse_shared_paths(p_job_no bigint, p_factors integer[]) returns void
language plpgsql stable as $$
declare
  v_repos text[];
  v_path text;
begin
  -- Paths are /pfs/<repo>/…: most crosses have a repo for each factor, and are done here.
  select array_agg(shared.repo) into v_repos from (
    select split_part(i.local_path, '/', 3) as repo
    from falconeri.factors f, jsonb_array_elements(f.inputs) d (inputs),
      jsonb_to_recordset(d.inputs) i (local_path text)
    where f.job_no = p_job_no and f.factor = any (p_factors)
    group by 1 having min(f.factor) < max(f.factor)
  ) shared;
  if v_repos is null then
    return;
  end if;

  -- Each path counts for itself and for every directory that it is in. `offset 0` keeps the planner from
  -- taking it apart anew for each use of its parts.
  select min(a.path collate "C") into v_path from (
    select array_to_string(p.parts[:depth], '/') as path
    from falconeri.factors f, jsonb_array_elements(f.inputs) d (inputs),
      jsonb_to_recordset(d.inputs) i (local_path text),
      lateral (select string_to_array(rtrim(i.local_path, '/'), '/') as parts offset 0) p,
      generate_series(3, cardinality(p.parts)) depth
    where f.job_no = p_job_no and f.factor = any (p_factors) and p.parts[3] = any (v_repos)
    group by 1
    having min(f.factor) < max(f.factor) and bool_or(depth = cardinality(p.parts))
  ) a;
  if v_path is not null then
    raise exception using errcode = 'ZF009',
      message = 'two inputs of one datum have the same local path',
      detail = falconeri._shared_path_text(p_job_no, p_factors, v_path),
      hint = 'give each part of a cross a repo of its own';
  end if;
end
$$;
comment on function falconeri._refuse_shared_paths(bigint, integer[])
is 'Refuses factors of which two have the same local path, or one lies in a directory of the other.';
