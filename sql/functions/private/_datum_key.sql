-- The key in a datum's public id (see _public_id).
-- Raises ZF002 datum_not_found for the id of anything else.
create function falconeri._datum_key(p_datum_id uuid, out job_no bigint, out seq bigint)
language plpgsql immutable parallel safe as $$
declare
  v_digits text := replace(p_datum_id::text, '-', '');
begin
  if substr(v_digits, 13, 4) <> '8001' then
    raise exception using errcode = 'ZF002', message = 'datum not found',
      detail = jsonb_build_object('datum_id', p_datum_id);
  end if;
  job_no := ('x' || left(v_digits, 12))::bit(48)::bigint;
  seq := (('x' || right(v_digits, 16))::bit(64)::bigint & x'3fffffffffffffff'::bigint) >> 22;
end
$$;
comment on function falconeri._datum_key(uuid) is 'The key in a datum''s public id.';
