-- The end of a text: at most so many bytes of UTF-8, without the rest of a character that was cut.
create function falconeri._last_bytes(p_text text, p_bytes integer) returns text
language plpgsql immutable strict parallel safe as $$
declare
  v_bytes bytea;
  v_from integer;
begin
  if octet_length(p_text) <= p_bytes then
    return p_text;
  end if;
  -- A byte is a character at least: this spares the conversion of all that is cut off anyway.
  v_bytes := convert_to(right(p_text, p_bytes), 'UTF8');
  v_from := octet_length(v_bytes) - p_bytes;
  while v_from < octet_length(v_bytes) and get_byte(v_bytes, v_from) & 192 = 128 loop
    v_from := v_from + 1;
  end loop;
  return convert_from(substr(v_bytes, v_from + 1), 'UTF8');
end
$$;
comment on function falconeri._last_bytes(text, integer)
is 'The end of a text: at most so many bytes of UTF-8, without the rest of a character that was cut.';
