-- The group in which a shard is counted down. Neighbours, whose workers are at about the same speed, are
-- in different ones.
create function falconeri._shard_group(p_shard integer) returns integer
language sql immutable
begin atomic
  select p_shard % 16;
end;
comment on function falconeri._shard_group(integer) is 'The group in which a shard is counted down.';
