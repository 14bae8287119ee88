-- Whether a public id is a datum's.
create function falconeri._is_datum_id(p_id uuid) returns boolean
language sql immutable strict parallel safe
return substr(p_id::text, 15, 4) = '8001';
comment on function falconeri._is_datum_id(uuid) is 'Whether a public id is a datum''s.';
