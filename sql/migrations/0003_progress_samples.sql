-- How far jobs were a moment ago. `attempts` could tell, but has no index on the time and must not get
-- one: each datum would pay for it.

-- Without a foreign key, whose checks would lock rows of jobs: what is left behind grows old and goes.
create table falconeri.progress_samples (
  job_no bigint not null,
  slot bigint not null,
  at timestamptz not null,
  ended bigint not null,
  paused boolean not null,
  primary key (job_no, slot)
);
comment on table falconeri.progress_samples is 'How far running jobs were in the last hour, each quarter of a minute.';
comment on column falconeri.progress_samples.slot is 'Which quarter of a minute it is: there is one sample of each.';
comment on column falconeri.progress_samples.ended is 'Datums done or failed for good.';
