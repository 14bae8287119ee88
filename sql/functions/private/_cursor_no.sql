-- The number of the job at which a page of jobs ended; null for what is no cursor.
create function falconeri._cursor_no(p_cursor_id uuid) returns bigint
language sql immutable strict parallel safe
return case when substr(p_cursor_id::text, 15, 4) = '8004' then
  ('x' || replace(left(p_cursor_id::text, 13), '-', ''))::bit(48)::bigint
end;
comment on function falconeri._cursor_no(uuid)
is 'The number of the job at which a page of jobs ended; null for what is no cursor.';
