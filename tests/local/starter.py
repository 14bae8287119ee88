"""A process that starts a local server, for tests that kill it or need several.

Prints one line of JSON once the server is ready, and stops it when its standard input ends.
"""

import json
import sys
from pathlib import Path

from falconeri.local import PostgresUnavailable, Server


def main() -> None:
    """Start a server in the directory that is the only argument."""
    try:
        with Server.start(Path(sys.argv[1]), durable=False) as server:
            print(json.dumps({"url": server.url, "owner": server.owner}), flush=True)  # noqa: T201
            sys.stdin.read()
    except PostgresUnavailable as ex:
        sys.exit(str(ex))


if __name__ == "__main__":
    main()
