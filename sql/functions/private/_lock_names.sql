-- Keeps other jobs from registering any of these names until this transaction is over. No index can: it
-- does not know which jobs run. 64 locks stand for all names, so that a registration of thousands fits
-- into the server's table of locks. A job without rivals takes them shared and hinders nobody; of two
-- rivals, the one whose job became visible later sees the other, and takes them exclusively.
-- Locks: the locks of the names, in ascending order.
create function falconeri._lock_names(p_job_no bigint, p_uris text[]) returns void
language plpgsql volatile as $$
declare
  c_class constant integer := 1717660783;  -- 'falo': the names of output files, among other advisory locks
  v_alone boolean := falconeri._rivals(p_job_no) is null;
begin
  perform case
    when v_alone then pg_advisory_xact_lock_shared(c_class, l.lock)
    else pg_advisory_xact_lock(c_class, l.lock)
  end
  from (select distinct hashtext(u.uri) & 63 as lock from unnest(p_uris) u (uri) order by 1) l;
end
$$;
comment on function falconeri._lock_names(bigint, text[])
is 'Keeps other jobs from registering any of these names until this transaction is over.';
