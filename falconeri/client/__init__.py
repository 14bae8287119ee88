"""falconerid's HTTP API as typed calls.

`transport` has requests, retries and errors, `jobs` what people ask, `work` what workers ask.
Called by worker and CLI. Knows nothing of SQL, and decides nothing about jobs.
"""
