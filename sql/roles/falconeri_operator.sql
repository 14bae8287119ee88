-- For people who look and steer: what the reader sees, and the functions that control jobs.
-- Not by being a member of falconeri_reader: from PostgreSQL 16 on only who made that role might grant it.
grant usage on schema report, compat, falconeri to falconeri_operator;
grant select on all tables in schema report, compat to falconeri_operator;

-- These functions, and no others, run with the rights of their owner: with rights on the tables instead,
-- an operator could do what no rule allows. Safe, because each resolves its names without the caller
-- (its search path is pinned), builds no SQL, and takes nothing but values. Whoever
-- is neither server nor operator may not call them.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc p
    where p.pronamespace = 'falconeri'::regnamespace and p.proname in (
      'find_job', 'cancel_job', 'retry_job', 'pause_job', 'resume_job', 'scale_job', 'delete_job'
    )
  loop
    execute format('alter function %s security definer', v_function);
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to falconeri_operator', v_function);
  end loop;
end
$$;
