"""Makes `python -m falconeri_cli` the same as `falconeri`."""

import sys

from falconeri_cli.main import main

sys.exit(main())
