-- Refuses a report that is neither a success nor a failure, made up for or not, with its class and message.
-- Raises ZF009 invalid_input.
create function falconeri._require_failure(p_report falconeri.report) returns void
language plpgsql immutable as $$
begin
  if p_report.outcome is null or p_report.outcome not in ('error', 'recovered')
    or p_report.failure_class is null or p_report.error_message is null
  then
    raise exception using errcode = 'ZF009', message = 'not a report of an attempt',
      detail = jsonb_build_object(
        'outcome', p_report.outcome, 'failure_class', p_report.failure_class
      );
  end if;
end
$$;
comment on function falconeri._require_failure(falconeri.report)
is 'Refuses a report that is neither a success nor a failure with its class and message.';
