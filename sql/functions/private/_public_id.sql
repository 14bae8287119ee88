-- A public uuid (version 8) that holds its own key, so that no index of uuids is needed.
--   48 bits p_no · 12 bits p_kind (1 datum, 2 input file, 3 output file, 4 page cursor) · 40 bits p_seq · 22 bits p_index
create function falconeri._public_id(p_kind integer, p_no bigint, p_seq bigint, p_index integer)
returns uuid
language sql immutable strict parallel safe
return encode(
  int8send((p_no << 16) | 32768 | p_kind) || int8send(x'8000000000000000'::bigint | (p_seq << 22) | p_index),
  'hex'
)::uuid;
comment on function falconeri._public_id(integer, bigint, bigint, integer)
is 'A public uuid (version 8) that holds its own key, so that no index of uuids is needed.';
