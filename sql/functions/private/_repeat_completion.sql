-- The answer to a repeated completion: what the pod's slot 0 holds now, or a datum for it.
create function falconeri._repeat_completion(p_datum_id uuid, p_pod_name text, p_claim_next boolean)
returns falconeri.work
language plpgsql volatile as $$
declare
  v_worker record;
begin
  if not p_claim_next then
    return ('empty', null, null, null)::falconeri.work;
  end if;
  select j.id, w.node_name, w.leased into strict v_worker
  from falconeri.workers w join falconeri.jobs j using (job_no)
  where w.job_no = (falconeri._datum_key(p_datum_id)).job_no and w.pod_name = p_pod_name;
  return falconeri.claim_datum(v_worker.id, p_pod_name, v_worker.node_name, v_worker.leased, 0::smallint);
end
$$;
comment on function falconeri._repeat_completion(uuid, text, boolean)
is 'The answer to a repeated completion: what the pod''s slot 0 holds now, or a datum for it.';
