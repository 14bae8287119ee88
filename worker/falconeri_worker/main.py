"""The command `falconeri-worker`: arguments, logging, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from uuid import UUID

from falconeri import __version__, log
from falconeri.errors import FalconeriError, InvalidArgument
from falconeri_worker.life import work_for
from falconeri_worker.settings import read_settings
from falconeri_worker.stopping import Terminated, Termination

USAGE = "Usage: falconeri-worker <job id>"

HELP = f"""\
{USAGE}

Works on the datums of a job until the job has ended. Started by falconerid in the pods of a job.

Options:
  --help        print this and exit
  --version     print the version and exit
  --self-test   check that the worker's own software works on this machine, and exit

Environment (required: FALCONERI_POD_NAME, FALCONERI_NODE_NAME):
  FALCONERI_POD_NAME        the name of this worker, unique in the job for ever
  FALCONERI_NODE_NAME       where it runs
  FALCONERI_URL             falconerid (default http://falconerid:8089/)
  FALCONERI_WAIT_URL        its waiting port (default: the next port)
  FALCONERI_PASSWORD_FILE   default /etc/falconeri/secrets/POSTGRES_PASSWORD
  FALCONERI_PFS             the directory of inputs and outputs (default /pfs)
  FALCONERI_SCRATCH         the directory for temporary files (default /scratch)
  FALCONERI_SPACE           a directory with both as `pfs` and `scratch`, on one mount: makes it
                            possible to fetch the next datum's inputs while the command runs
  FALCONERI_PREFETCH        0: nothing is fetched or stored while the command runs (default 1)
  FALCONERI_GRACE           how many seconds the datum in work may go on after SIGTERM (default 0)
  FALCONERI_RUNG            how much memory there is, as a step of the job's ladder (default 0)
  FALCONERI_LISTEN_DSN      a database, for LISTEN: it tells of work instead of the waiting port
  FALCONERI_LOG             debug, info, warning or error (default info)
  and the variables of the stores that the job uses (AWS_...).

The job's command gets all of these but those of password, space and DSN, and FALCONERI_JOB_ID,
FALCONERI_DATUM_ID and FALCONERI_ATTEMPT. What it leaves running in the background is killed when it
ends.

Exit status:
  0     the job has ended, or does not exist
  1     wrong arguments or environment; refused by falconerid; falconerid away for twenty minutes
  130   stopped by SIGINT: what was in work has been given back, or done within FALCONERI_GRACE
  143   stopped by SIGTERM: the same
"""

FAILURE = 1

logger = log.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; return its exit status."""
    match sys.argv[1:] if arguments is None else list(arguments):
        case ["--help" | "-h"]:
            sys.stdout.write(HELP)
            return 0
        case ["--version" | "-V"]:
            sys.stdout.write(f"falconeri-worker {__version__}\n")
            return 0
        case ["--self-test"]:
            from falconeri_worker import selftest  # noqa: PLC0415 (nobody else needs it)

            return 0 if selftest.run() else FAILURE
        case [text] if not text.startswith("-"):
            # As a program of its own: whoever calls us may have children.
            return _run(text, adopting=arguments is None)
        case _:
            sys.stderr.write(f"{USAGE}\n")
            return FAILURE


def _run(job: str, *, adopting: bool) -> int:
    termination = Termination()
    termination.install()
    try:
        job_id = _job_id(job)
        settings = read_settings(os.environ)
        _set_up_log(settings.log_level)
    except InvalidArgument as ex:
        sys.stderr.write(f"Error: {ex}\n")
        return FAILURE
    try:
        work_for(job_id, settings, termination, adopting=adopting)
    except Terminated as ex:
        logger.info("worker_stopped", job_id=job_id, signal=ex.signal.name)
        return 128 + ex.signal
    except FalconeriError as ex:
        # One line: it is about falconerid, not about a place in our code.
        logger.error("worker_failed", job_id=job_id, url=settings.url, error=str(ex))  # noqa: TRY400
        return FAILURE
    return 0


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as ex:
        raise InvalidArgument("can't parse job ID", detail=f"{text!r} is not a UUID") from ex


def _set_up_log(level: str) -> None:
    try:
        log.setup("falconeri-worker", level)
    except ValueError as ex:
        raise InvalidArgument("FALCONERI_LOG", detail=str(ex)) from ex
