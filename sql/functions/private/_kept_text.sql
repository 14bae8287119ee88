-- What is kept of a text that a worker reports: its end, as far as it is longer than a million characters.
create function falconeri._kept_text(p_text text) returns text
language sql immutable parallel safe
return right(p_text, 1000000);
comment on function falconeri._kept_text(text) is 'What is kept of a text that a worker reports.';
