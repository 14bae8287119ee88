-- The quarter of a minute that a time lies in, counted since 1970: as often is a job's progress noted.
create function falconeri._sample_slot(p_at timestamptz) returns bigint
language sql immutable strict parallel safe
return floor(extract(epoch from p_at) / 15)::bigint;
comment on function falconeri._sample_slot(timestamptz)
is 'The quarter of a minute that a time lies in, counted since 1970: as often is a job''s progress noted.';
