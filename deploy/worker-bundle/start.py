"""What start.c has Python run: the worker, with the packages beside this file."""

import gc
import sys

sys.path.append(__file__.rpartition("/")[0])

# Nothing of what is loaded is garbage; to look for it takes a tenth of the start.
gc.disable()
from falconeri_worker.main import main  # noqa: E402

gc.freeze()
gc.enable()
sys.exit(main())
