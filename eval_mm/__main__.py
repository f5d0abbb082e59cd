"""`python -m eval_mm`."""

import sys

if __name__ == "__main__":
    try:
        from eval_mm.cli import main

        code = main()
    except KeyboardInterrupt:  # while modules are loaded and arguments are read: nothing has begun
        print("\ninterrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
