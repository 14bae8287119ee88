"""Does a test notice each small defect of the SQL? `./run check --mutants` tries."""

from __future__ import annotations

from tests.mutants.claims import CLAIMS
from tests.mutants.completions import COMPLETIONS
from tests.mutants.crosses import CROSSES
from tests.mutants.delays import DELAYS
from tests.mutants.ends import ENDS
from tests.mutants.jobs import JOBS
from tests.mutants.ladder import LADDER
from tests.mutants.mutant import Mutant
from tests.mutants.outputs import OUTPUTS
from tests.mutants.waits import WAITS
from tests.mutants.workers import WORKERS

MUTANTS: tuple[Mutant, ...] = (
    *CLAIMS,
    *COMPLETIONS,
    *WORKERS,
    *ENDS,
    *DELAYS,
    *JOBS,
    *CROSSES,
    *OUTPUTS,
    *LADDER,
    *WAITS,
)
