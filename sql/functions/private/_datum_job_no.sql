-- The job's number in a datum's public id; nonsense for the id of anything else (see _datum_key).
create function falconeri._datum_job_no(p_datum_id uuid) returns bigint
language sql immutable strict parallel safe
return ('x' || left(p_datum_id::text, 8) || substr(p_datum_id::text, 10, 4))::bit(48)::bigint;
comment on function falconeri._datum_job_no(uuid)
is 'The job''s number in a datum''s public id; nonsense for the id of anything else.';
