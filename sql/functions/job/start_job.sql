-- Opens a new job for work: cuts its datums into shards and asks for its workers.
-- A job without datums is done at once.
-- Raises ZF009 invalid_input if the datums are not numbered from 1 without gaps.
-- Locks: the job's row, not yet visible to anybody.
create function falconeri.start_job(p_job_no bigint) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_count bigint;
  v_last bigint;
  v_shards integer;
  v_job_id uuid;
begin
  select count(*), coalesce(max(d.seq), 0) into v_count, v_last
  from falconeri.datums d where d.job_no = p_job_no;
  if v_count <> v_last then
    raise exception using errcode = 'ZF009', message = 'datums are not numbered from 1 without gaps',
      detail = jsonb_build_object('count', v_count, 'last', v_last);
  end if;

  -- So many that workers rarely meet, so few that their sum is read in a millisecond, and so large that
  -- the ends of shards, which all count down in the job's one row, are rare.
  v_shards := case when v_count = 0 then 0 else greatest(1, least(256, v_count / 16))::integer end;
  insert into falconeri.shards (job_no, shard, first_seq, next_seq, last_seq, open, max_tries, max_losses)
  select j.job_no, i, r.first_seq, r.first_seq, r.last_seq, r.last_seq - r.first_seq + 1,
    j.max_tries, j.max_losses
  from falconeri.jobs j, generate_series(0, v_shards - 1) i,
    lateral (
      select v_count * i / v_shards + 1 as first_seq, v_count * (i + 1) / v_shards as last_seq
    ) r
  where j.job_no = p_job_no;
  update falconeri.jobs j set datum_count = v_count, shard_count = v_shards, open_shards = v_shards
  where j.job_no = p_job_no
  returning j.id into v_job_id;

  if v_count = 0 then
    perform falconeri._end_job(p_job_no, null, null);
  else
    perform falconeri._defer_task(
      'start_workers', jsonb_build_object('job_id', v_job_id), 'workers:' || v_job_id
    );
  end if;
end
$$;
comment on function falconeri.start_job(bigint)
is 'Opens a new job for work: cuts its datums into shards and asks for its workers.';
