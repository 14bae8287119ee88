"""What start.c has Python run: the worker, with the packages beside this file."""

import sys

sys.path.append(__file__.rpartition("/")[0])

from falconeri_worker.main import main

sys.exit(main())
