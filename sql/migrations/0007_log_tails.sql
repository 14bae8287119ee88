-- What running programs have printed last, as their workers tell it with their heartbeats. Worth nothing
-- once the attempt has ended, whose whole output is kept then: so here, where nothing is logged.

alter table falconeri.heartbeats add column log_tails jsonb;
comment on column falconeri.heartbeats.log_tails is 'The end of what each attempt in work has printed, by its datum and number: {"<datum''s id>/<attempt>": "…"}; null: nothing so far, or the database crashed since.';

-- Kept out of line, however short: the rows stay as narrow as they were, and so do their updates in place
-- (HOT) and the look at all of them that finds expired leases. A heartbeat without news leaves it alone.
alter table falconeri.heartbeats set (toast_tuple_target = 128);
