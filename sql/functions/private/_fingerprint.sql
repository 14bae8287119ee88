-- An error message without what differs from datum to datum, so that equal failures group: URIs, UUIDs,
-- paths, hexadecimal and other numbers are replaced. Only the first 500 characters count.
create function falconeri._fingerprint(p_message text) returns text
language sql immutable strict parallel safe
return regexp_replace(
  regexp_replace(
    regexp_replace(
      regexp_replace(
        regexp_replace(
          left(p_message, 500),
          '\m[[:alpha:]][[:alnum:]+.-]*://[^[:space:]"''<>,;)]+', '<uri>', 'g'
        ),
        '\m[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\M', '<uuid>', 'gi'
      ),
      -- A slash within a word ("and/or") begins no path.
      '(^|[[:space:]"''`(=,:])(~|\.\.?)?/[^[:space:]"''`,;:)]+', '\1<path>', 'g'
    ),
    -- A word such as "deadbeef" is one only if it has a letter and a digit; plain numbers are below.
    '\m(0x[0-9a-f]+|(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,})\M', '<hex>', 'gi'
  ),
  '[0-9]+([.,:][0-9]+)*', '<n>', 'g'
);
comment on function falconeri._fingerprint(text)
is 'An error message without what differs from datum to datum, so that equal failures group.';
