-- Whether there is such a datum at all.
-- Raises ZF002 datum_not_found.
create function falconeri._require_datum(p_datum_id uuid) returns void
language plpgsql stable as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
begin
  perform from falconeri.jobs j
  where j.job_no = v_key.job_no and v_key.seq between 1 and j.datum_count and j.deleted_at is null;
  if not found then
    raise exception using errcode = 'ZF002', message = 'datum not found',
      detail = jsonb_build_object('datum_id', p_datum_id);
  end if;
end
$$;
comment on function falconeri._require_datum(uuid) is 'Whether there is such a datum at all.';
