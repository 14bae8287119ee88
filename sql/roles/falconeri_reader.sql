-- For dashboards and people who look: the views of `report` and `compat`, and nothing else. The views
-- read the tables with their owner's rights.
grant usage on schema report, compat to falconeri_reader;
grant select on all tables in schema report, compat to falconeri_reader;
