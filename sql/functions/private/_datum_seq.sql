-- The datum's number in its public id; nonsense for the id of anything else (see _datum_key).
create function falconeri._datum_seq(p_datum_id uuid) returns bigint
language sql immutable strict parallel safe
return (
  ('x' || substr(p_datum_id::text, 20, 4) || right(p_datum_id::text, 12))::bit(64)::bigint
  & x'3fffffffffffffff'::bigint
) >> 22;
comment on function falconeri._datum_seq(uuid)
is 'The datum''s number in its public id; nonsense for the id of anything else.';
