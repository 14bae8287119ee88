-- Which requests for a new job have been answered, so that a repeat after a lost answer makes no other.
create table falconeri.requests (
  request_key text primary key,
  digest text not null,
  job_no bigint references falconeri.jobs on delete cascade,
  created_at timestamptz not null,
  constraint request_key_is_short check (length(request_key) between 1 and 255)
);
comment on table falconeri.requests is 'Keys by which callers may repeat a request for a new job.';
comment on column falconeri.requests.digest is 'Of what was asked for: the same key for something else is a mistake.';
comment on column falconeri.requests.job_no is 'What was made; null only inside of the transaction that makes it.';
create index requests_of_job on falconeri.requests (job_no);
