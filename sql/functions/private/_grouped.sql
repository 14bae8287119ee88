-- A number as people read it: 12,000,000.
create function falconeri._grouped(p_number numeric) returns text
language sql immutable
return regexp_replace(p_number::text, '(\d)(?=(\d{3})+$)', '\1,', 'g');
comment on function falconeri._grouped(numeric) is 'A number as people read it: 12,000,000.';
