-- What the program of a held attempt has printed last, as far as its worker's last heartbeat told.
create function falconeri._told_output(p_claim falconeri.claims) returns text
language sql stable
begin atomic
  select coalesce(
    (
      select h.log_tails ->> falconeri._tail_key(p_claim.datum_id, p_claim.attempt)
      from falconeri.heartbeats h where h.worker_no = p_claim.worker_no
    ),
    ''
  );
end;
comment on function falconeri._told_output(falconeri.claims)
is 'What the program of a held attempt has printed last, as far as its worker''s last heartbeat told.';
