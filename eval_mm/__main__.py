"""`python -m eval_mm`."""

import sys

from eval_mm.cli import main

if __name__ == "__main__":
    sys.exit(main())
