-- The key in a datum's public id.
-- Raises ZF002 datum_not_found for the id of anything else.
create function falconeri._datum_key(p_datum_id uuid, out job_no bigint, out seq bigint)
language plpgsql immutable parallel safe as $$
begin
  if not falconeri._is_datum_id(p_datum_id) then
    raise exception using errcode = 'ZF002', message = 'datum not found',
      detail = jsonb_build_object('datum_id', p_datum_id);
  end if;
  job_no := falconeri._datum_job_no(p_datum_id);
  seq := falconeri._datum_seq(p_datum_id);
end
$$;
comment on function falconeri._datum_key(uuid) is 'The key in a datum''s public id.';
