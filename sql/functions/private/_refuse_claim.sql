-- Says why a pod may not go on with an attempt: there is no such datum, or it is no longer the pod's.
-- Raises ZF002 datum_not_found, ZF003 claim_lost.
create function falconeri._refuse_claim(p_datum_id uuid, p_pod_name text, p_attempt integer)
returns void
language plpgsql stable as $$
begin
  perform falconeri._require_datum(p_datum_id);
  raise exception using errcode = 'ZF003', message = 'claim lost',
    detail = jsonb_build_object(
      'datum_id', p_datum_id, 'pod_name', p_pod_name, 'attempt', p_attempt
    );
end
$$;
comment on function falconeri._refuse_claim(uuid, text, integer)
is 'Says why a pod may not go on with an attempt.';
