-- Where the factors of a cross are kept until they are multiplied, in the transaction that creates their
-- job: nobody else ever sees a row of it. Emptied by a crash of the database, which undoes that
-- transaction, too.
create unlogged table falconeri.factors (
  job_no bigint not null,
  factor integer not null,
  ordinal bigint not null,
  inputs jsonb not null,
  primary key (job_no, factor, ordinal)
);
comment on table falconeri.factors is 'What the crosses of jobs being created are made of.';
comment on column falconeri.factors.factor is 'Above 0: written by COPY; below: a product of some of them.';
comment on column falconeri.factors.ordinal is 'From 1 without gaps.';
