-- The key in an output file's public id; null for the id of anything else.
create function falconeri._output_no(p_output_id uuid) returns bigint
language sql immutable strict parallel safe
return case when substr(p_output_id::text, 15, 4) = '8003' then
  ('x' || replace(left(p_output_id::text, 13), '-', ''))::bit(48)::bigint
end;
comment on function falconeri._output_no(uuid)
is 'The key in an output file''s public id; null for the id of anything else.';
