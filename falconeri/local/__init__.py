"""Parts of Falconeri on this machine alone: the embedded PostgreSQL.

Called by the daemon's local mode, the demo and the tests. Knows nothing of jobs or schemas.
"""

from falconeri.local.postgres import Address, PostgresUnavailable, Server, find_running

__all__ = ["Address", "PostgresUnavailable", "Server", "find_running"]
