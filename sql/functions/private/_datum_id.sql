-- The public id of a datum.
create function falconeri._datum_id(p_job_no bigint, p_seq bigint) returns uuid
language sql immutable strict parallel safe
return falconeri._public_id(1, p_job_no, p_seq, 0);
comment on function falconeri._datum_id(bigint, bigint) is 'The public id of a datum.';
