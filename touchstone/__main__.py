"""`python -m touchstone`."""

import sys

from touchstone.cli import main

if __name__ == "__main__":
    sys.exit(main())
