"""The command line: python -m data_scripts list | fetch | prepare | frames | check | demo | demo-training."""

import argparse
import sys
from collections.abc import Sequence

from data_scripts.options import KEPT, VERBS, build_parser
from eval_mm.console import guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; what the user can mend is said in one line."""
    given = list(sys.argv[1:] if argv is None else argv)
    verb = next((word for word in given if word in VERBS), "")
    args = build_parser(verb).parse_args(given)
    return guarded(lambda: _run(args), KEPT)


def _run(args: argparse.Namespace) -> int:
    from data_scripts import commands  # every benchmark, which --help need not wait for

    return commands.run(args)


if __name__ == "__main__":
    sys.exit(main())
