-- Makes a new job of the datums that an ended job did not finish: failed, canceled and never run ones.
--   p_matching      only those whose latest failure has this in its message, as it stands: messages are
--                   full of what means something in a pattern; null: all
--   p_parallelism   how many workers, null: as before
--   p_max_tries     how often each may fail, null: as before
-- Returns the new job's id.
-- Raises ZF001 job_not_found, ZF007 job_not_retryable if it still runs, has none or none that matches;
-- 23514 for a number that the table refuses.
-- Locks: the old job's row FOR KEY SHARE, so that it is not deleted meanwhile.
create function falconeri.retry_job(
  p_job_id uuid, p_matching text default null, p_parallelism integer default null,
  p_max_tries integer default null
) returns uuid
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_old falconeri.jobs := falconeri._require_job(p_job_id);
  v_new record;
begin
  perform from falconeri.jobs j where j.job_no = v_old.job_no for key share;
  v_old := falconeri._require_job(p_job_id);
  if v_old.status not in ('error', 'canceled') then
    raise exception using errcode = 'ZF007', message = 'job cannot be retried',
      detail = jsonb_build_object('job_id', p_job_id, 'status', v_old.status);
  end if;
  select * into v_new from falconeri.create_job(
    regexp_replace(v_old.job_name, '-[a-z0-9]{10}$', ''), v_old.pipeline_spec, v_old.command,
    v_old.egress_uri, coalesce(p_parallelism, v_old.parallelism),
    coalesce(p_max_tries, v_old.max_tries), v_old.timeout_s, v_old.lease_s,
    v_old.retry_delay_s,
    array(select r.memory from falconeri.rungs r where r.job_no = v_old.job_no order by r.rung)
  );
  insert into falconeri.datum_chunks (job_no, first_seq, inputs)
  select v_new.job_no, min(d.seq), jsonb_agg(d.inputs order by d.seq)
  from (
    select row_number() over (order by c.first_seq, i.place) as seq, i.inputs, c.first_seq
    from falconeri.datum_chunks c
    cross join lateral jsonb_array_elements(c.inputs) with ordinality i (inputs, place)
    where c.job_no = v_old.job_no
      and not exists (
        select from falconeri.attempts a
        where a.job_no = c.job_no and a.seq = c.first_seq + i.place - 1 and a.outcome in ('done', 'recovered')
      )
      and (p_matching is null or strpos((
        select a.error_message from falconeri.attempts a
        where a.job_no = c.job_no and a.seq = c.first_seq + i.place - 1 and a.outcome = 'error'
        order by a.attempt desc limit 1
      ), p_matching) > 0)
  ) d
  group by d.first_seq;
  if not found then
    raise exception using errcode = 'ZF007', message = 'no datum to retry',
      detail = jsonb_build_object('job_id', p_job_id, 'matching', p_matching);
  end if;
  update falconeri.jobs j set retry_of = v_old.job_no
  where j.job_no = v_new.job_no;
  perform falconeri.start_job(v_new.job_no);
  return v_new.job_id;
end
$$;
comment on function falconeri.retry_job(uuid, text, integer, integer)
is 'Makes a new job of the datums that an ended job did not finish.';
