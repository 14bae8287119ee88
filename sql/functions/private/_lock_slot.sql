-- A pod's slot, locked; made, like the pod's row, when it is new.
-- Raises ZF001 job_not_found.   Locks: one claim.
create function falconeri._lock_slot(
  p_job falconeri.jobs, p_pod_name text, p_node_name text, p_leased boolean, p_slot smallint
) returns falconeri.claims
language plpgsql volatile as $$
declare
  v_worker_no bigint := falconeri._worker_no(p_job, p_pod_name, p_node_name, p_leased);
  v_claim falconeri.claims;
begin
  select c.* into v_claim from falconeri.claims c
  where c.worker_no = v_worker_no and c.slot = p_slot for update;
  if not found then
    insert into falconeri.claims (worker_no, slot, job_no, pod_name, rung)
    select v_worker_no, p_slot, p_job.job_no, p_pod_name, w.rung
    from falconeri.workers w where w.worker_no = v_worker_no
    on conflict (worker_no, slot) do nothing;
    select c.* into strict v_claim from falconeri.claims c
    where c.worker_no = v_worker_no and c.slot = p_slot for update;
  end if;
  return v_claim;
end
$$;
comment on function falconeri._lock_slot(falconeri.jobs, text, text, boolean, smallint)
is 'A pod''s slot, locked; made, like the pod''s row, when it is new.';
