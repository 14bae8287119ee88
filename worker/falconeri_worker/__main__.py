"""`python -m falconeri_worker`."""

import sys

from falconeri_worker.main import main

sys.exit(main())
