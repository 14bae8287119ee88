-- Makes a new job of the datums that an ended job did not finish: failed, canceled and never run ones.
-- Returns the new job's id.
-- Raises ZF001 job_not_found, ZF007 job_not_retryable if it still runs or has none.
-- Locks: nothing of the old job, which has ended.
create function falconeri.retry_job(p_job_id uuid) returns uuid
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_old falconeri.jobs := falconeri._require_job(p_job_id);
  v_new record;
begin
  if v_old.status not in ('error', 'canceled') then
    raise exception using errcode = 'ZF007', message = 'job cannot be retried',
      detail = jsonb_build_object('job_id', p_job_id, 'status', v_old.status);
  end if;
  select * into v_new from falconeri.create_job(
    regexp_replace(v_old.job_name, '-[a-z0-9]{10}$', ''), v_old.pipeline_spec, v_old.command,
    v_old.egress_uri, v_old.parallelism, v_old.max_tries, v_old.timeout_s, v_old.lease_s
  );
  insert into falconeri.datums (job_no, seq, inputs)
  select v_new.job_no, row_number() over (order by d.seq), d.inputs
  from falconeri.datums d
  where d.job_no = v_old.job_no and not exists (
    select from falconeri.attempts a
    where a.job_no = d.job_no and a.seq = d.seq and a.outcome = 'done'
  );
  update falconeri.jobs j set retry_of = v_old.job_no where j.job_no = v_new.job_no;
  perform falconeri.start_job(v_new.job_no);
  return v_new.job_id;
end
$$;
comment on function falconeri.retry_job(uuid)
is 'Makes a new job of the datums that an ended job did not finish.';
