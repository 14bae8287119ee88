-- When a babysitter has to look at a worker's leases. Heartbeats don't move it, so that they cost no index
-- anything: the babysitter does, once a lease.
alter table falconeri.workers add column lease_check_at timestamptz;
update falconeri.workers w set lease_check_at = '-infinity'
from falconeri.jobs j where j.job_no = w.job_no and j.status = 'running';
alter table falconeri.workers alter column lease_check_at set default '-infinity';
comment on column falconeri.workers.lease_check_at is 'A babysitter looks at its leases not before; null: not until it registers again.';
create index workers_lease_check on falconeri.workers (lease_check_at) where lease_check_at is not null;
