-- Whether a failure takes a datum a rung up its job's ladder: it ran out of memory, and there is more.
create function falconeri._rises(p_claim falconeri.claims, p_class falconeri.failure_class)
returns boolean
language plpgsql stable as $$
begin
  return p_class is not distinct from 'out_of_memory' and exists (
    select from falconeri.rungs r where r.job_no = p_claim.job_no and r.rung = p_claim.rung + 1
  );
end
$$;
comment on function falconeri._rises(falconeri.claims, falconeri.failure_class)
is 'Whether a failure takes a datum a rung up its job''s ladder.';
