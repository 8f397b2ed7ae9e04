"""`python -m mic`."""

import sys

from mic.main import main

sys.exit(main())
