-- Opens a new job for work: cuts its datums into shards and asks for its workers.
-- A job without datums is done at once.
--   p_datum_count   how many the caller has written; null: they are counted, which reads all of them
-- Raises ZF009 invalid_input if the datums are not numbered from 1 without gaps.
-- Locks: the job's row, not yet visible to anybody.
create function falconeri.start_job(p_job_no bigint, p_datum_count bigint default null) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_count bigint;
  v_first bigint;
  v_last bigint := falconeri._last_datum(p_job_no);
  v_shards integer;
  v_job_id uuid;
begin
  select coalesce(min(d.first_seq), 1) into v_first
  from falconeri.datum_chunks d where d.job_no = p_job_no;
  v_count := coalesce(p_datum_count, (
    select coalesce(sum(jsonb_array_length(d.inputs)), 0)
    from falconeri.datum_chunks d where d.job_no = p_job_no
  ));
  -- As many as the last one's number, from 1 on: so none is missing, as chunks don't overlap.
  if v_first <> 1 or v_count <> v_last or v_last > 1099511627775 then
    raise exception using errcode = 'ZF009', message = 'datums are not numbered from 1 without gaps',
      detail = jsonb_build_object('count', v_count, 'first', v_first, 'last', v_last);
  end if;

  -- So many that workers rarely meet, so few that their sum is read in a millisecond, and so large that
  -- their ends are rare.
  v_shards := case when v_count = 0 then 0 else greatest(1, least(256, v_count / 8))::integer end;
  -- The last datum of each worker but one is not fetched ahead by a worker that has another: they are
  -- spread over the shards.
  insert into falconeri.shards (
    job_no, shard, first_seq, next_seq, last_seq, ahead_seq, open, max_tries, max_losses
  )
  select j.job_no, i, r.first_seq, r.first_seq, r.last_seq,
    r.last_seq - (o.workers * (i + 1) / v_shards - o.workers * i / v_shards),
    r.last_seq - r.first_seq + 1, j.max_tries, j.max_losses
  from falconeri.jobs j, generate_series(0, v_shards - 1) i,
    lateral (
      select v_count * i / v_shards + 1 as first_seq, v_count * (i + 1) / v_shards as last_seq
    ) r,
    lateral (select greatest(j.parallelism - 1, 0)::bigint as workers) o
  where j.job_no = p_job_no;
  insert into falconeri.shard_groups (job_no, shard_group, open_shards)
  select p_job_no, falconeri._shard_group(i), count(*)
  from generate_series(0, v_shards - 1) i group by falconeri._shard_group(i);
  update falconeri.jobs j set
    datum_count = v_count, shard_count = v_shards,
    open_groups = (select count(*) from falconeri.shard_groups g where g.job_no = p_job_no)
  where j.job_no = p_job_no
  returning j.id into v_job_id;

  if v_count = 0 then
    perform falconeri._end_job(p_job_no, null, null);
  else
    perform falconeri._defer_task('start_workers', v_job_id);
  end if;
end
$$;
comment on function falconeri.start_job(bigint, bigint)
is 'Opens a new job for work: cuts its datums into shards and asks for its workers.';
