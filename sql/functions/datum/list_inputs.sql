-- The input files of a datum, in the order of its spec.
-- Returns 0..n rows.   Raises ZF002 datum_not_found.   Locks: nothing.
create function falconeri.list_inputs(p_datum_id uuid) returns table (
  id uuid, created_at timestamptz, datum_id uuid, uri text, local_path text, job_id uuid
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
begin
  perform falconeri._require_datum(p_datum_id);
  return query
  select falconeri._public_id(2, j.job_no, v_key.seq, i.place::integer), j.created_at, p_datum_id,
    i.file ->> 'uri', i.file ->> 'local_path', j.id
  from falconeri.jobs j,
  jsonb_array_elements(falconeri._inputs(v_key.job_no, v_key.seq)) with ordinality i (file, place)
  where j.job_no = v_key.job_no
  order by i.place;
end
$$;
comment on function falconeri.list_inputs(uuid)
is 'The input files of a datum, in the order of its spec.';
