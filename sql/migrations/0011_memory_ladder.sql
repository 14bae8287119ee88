-- Datums that ran out of memory are tried again by workers with more: see sql/README.md, "More memory". A
-- job without a ladder has no row here, and pays nothing.
create table falconeri.rungs (
  job_no bigint not null references falconeri.jobs,
  rung smallint not null,
  memory text not null,
  open boolean not null default false,
  active_at timestamptz,
  primary key (job_no, rung),
  constraint rung_is_a_small_number check (rung between 0 and 15)
);
comment on table falconeri.rungs is 'How much memory workers of a job get: those of rung 0 do all but what they can''t.';
comment on column falconeri.rungs.memory is 'As Kubernetes writes it.';
comment on column falconeri.rungs.open is 'It has workers, or was asked to be given some; never said of rung 0.';
comment on column falconeri.rungs.active_at is 'When datums were last seen that wait for it, or that it works on.';

alter table falconeri.workers add column rung smallint not null default 0;
comment on column falconeri.workers.rung is 'How much memory it has, as it said when it registered; it gets datums of this rung only.';
alter table falconeri.claims add column rung smallint not null default 0;
comment on column falconeri.claims.rung is 'That of its worker, and so of the datum.';

-- The rung is in the key, so that who looks for a datum of one does not wade through those of others.
alter table falconeri.requeue add column rung smallint not null default 0;
alter table falconeri.requeue drop constraint requeue_pkey, add primary key (job_no, shard, rung, seq);
create index requeue_raised on falconeri.requeue (job_no, rung) where rung > 0;
comment on column falconeri.requeue.rung is 'Only a worker of this rung may take it.';

alter table falconeri.shards add column raised integer not null default 0;
comment on column falconeri.shards.requeued is 'Datums ready for another attempt by any worker of rung 0.';
comment on column falconeri.shards.raised is 'Datums ready for another attempt by a worker with more memory.';
