-- One datum's inputs joined with those of each of a chunk, in its order.
create function falconeri._joined(p_inputs jsonb, p_chunk jsonb) returns jsonb
language sql immutable
begin atomic
  select jsonb_agg(p_inputs || d.inputs order by d.place)
  from jsonb_array_elements(p_chunk) with ordinality d (inputs, place);
end;
comment on function falconeri._joined(jsonb, jsonb)
is 'One datum''s inputs joined with those of each of a chunk, in its order.';
