-- For workers that are told of work by the database itself (FALCONERI_LISTEN_DSN): to connect and to LISTEN,
-- which needs no right. It sees neither schema, so it can read no table and call no function.
do $$
begin
  execute format('grant connect on database %I to falconeri_listener', current_database());
end
$$;
