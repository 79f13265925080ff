"""`python -m fracture_features` is the command."""

import sys

from .cli import main

sys.exit(main())
