"""The JSON of the REST API as types.

`spec` is what a user submits, `records` what we answer about jobs, datums and files, `work` what
workers and falconerid say to each other; `codec` is strict JSON.

Called by server, client, worker and CLI alike, so that each field is written down once. Knows
nothing of HTTP, SQL or storage.
"""
