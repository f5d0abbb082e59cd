"""What every command line of the project shares: one-line errors, exit codes, aligned tables."""

import argparse
import errno
import itertools
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence, Set
from typing import Any, NoReturn

from eval_mm.errors import Interrupted, UserError, did_you_mean

BAD_INPUT, SAMPLE_ERRORS, INTERRUPTED = 2, 3, 130

SAID_BY_NOW = 15.0
"""Seconds after which the first of several processes has said what all found wrong in their arguments."""


class Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line and shows help texts as they are written."""

    def __init__(self, **options: object):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        if (
            os.environ.get("LOCAL_RANK", "0") != "0"
        ):  # one of several that torchrun started: the first says it
            signal.signal(signal.SIGTERM, lambda *_: os._exit(BAD_INPUT))
            time.sleep(SAID_BY_NOW)  # torchrun ends all as soon as one ends: not before it is said
            self.exit(BAD_INPUT)
        self.exit(BAD_INPUT, f"error: {message} ({self.prog} --help explains)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what is unknown is told before what is missing, by the parser of its verb."""
        args = sys.argv[1:] if args is None else list(args)
        for text in itertools.takewhile(self._may_be_own, args):
            name = text.partition("=")[0]
            if name.startswith("--") and " " not in name and name not in self._option_string_actions:
                guess = did_you_mean(name, self._option_string_actions)
                self.error(f"unknown option {name}; {guess}".rstrip("; "))
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def _may_be_own(self, text: str) -> bool:
        """Whether an argument is this parser's: behind a verb they are the verb's, behind -- no options."""
        return text != "--" and (self._subparsers is None or text.startswith("-"))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            guess = did_you_mean(str(value), known)
            message = f"invalid choice: {value!r} ({guess}choose from {', '.join(known)})"
            raise argparse.ArgumentError(action, message)


def guarded(
    command: Callable[[], int], if_interrupted: str, says: Callable[[str], bool] = lambda message: True
) -> int:
    """Runs a command and returns its exit code; what the user can mend is said in one line.

    `says` tells whether this process is to say it, where several run the same command.
    """
    try:
        code = command()
        sys.stdout.flush()
        return code
    except UserError as error:
        return _fail(str(error), says, error.code)
    except BrokenPipeError:  # `... | head` closed our output
        sys.stderr.close()
        return 0
    except OSError as error:  # a full disk, a folder one may not write: theirs to mend as well
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return _fail(f"{told(error)}; {if_interrupted}" if full else told(error), says)
    except (KeyboardInterrupt, Interrupted) as error:
        message = f"{error}; {if_interrupted}" if str(error) else if_interrupted
        if says("interrupted"):
            print(f"\ninterrupted: {printable(message)}", file=sys.stderr)
        return INTERRUPTED


def told(error: BaseException) -> str:
    """What a user is told of an error."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def align(rows: Sequence[Sequence[str]], left: Set[int] = frozenset({0}), heads: int = 1) -> str:
    """Rows as aligned columns, a rule below the first `heads`; those in `left` to the left, others right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(seen_length(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            f"{cell}{blanks}" if column in left else f"{blanks}{cell}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            for blanks in [" " * (width - seen_length(cell))]
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines[:heads], "-" * max(map(seen_length, lines)), *lines[heads:]])


def seen_length(text: str) -> int:
    """The columns that a line takes on a terminal: two for a wide letter, none for an accent on another."""
    if text.isascii():
        return len(text)
    import unicodedata  # not needed by what only prints ASCII

    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def seen_width() -> int | None:
    """The columns of the terminal that shows what is printed; None where it goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def printable(text: str) -> str:
    """The text as one line that cannot steer the terminal: for texts of models and of the user's files."""
    return "".join(char if char.isprintable() else " " for char in text)


def count(number: int | None) -> str:
    """A number with thousands separated; a dash for one we do not know."""
    return "-" if number is None else f"{number:,}"


def size(num_bytes: float) -> str:
    """Bytes as people say them."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while num_bytes >= 999.5 and len(units) > 1:
        num_bytes, units = num_bytes / 1000, units[1:]
    digits = 1 if num_bytes < 9.95 and units[0] != "bytes" else 0
    return f"{num_bytes:.{digits}f} {units[0]}"


def _fail(message: str, says: Callable[[str], bool], code: int = BAD_INPUT) -> int:
    if says(message):
        print(f"error: {printable(message)}", file=sys.stderr)
    return code
