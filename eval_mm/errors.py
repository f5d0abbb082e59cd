"""What goes wrong and the user can mend: always one line, never a traceback, exit code 2 but for few."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Something the user can mend. The message is one line that says what is wrong and what is allowed.

    `code` is the exit code of the command that it ends.
    """

    code = 2


class DataError(UserError):
    """A file of rows that cannot be used; names file, line and field.

    Args:
        path: the file.
        message: what is wrong and what is allowed.
        line: 1-based line of the row, or None when the whole file is meant.
        field: the key of the row, or None when the whole row is meant.
    """

    def __init__(self, path: Path | str, message: str, line: int | None = None, field: str | None = None):
        place = str(path) if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {message}" if field is None else f"{place}: field '{field}': {message}")


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """The known names nearest to one that is not, as a question with a space behind it; empty for none."""
    by_lower = {other.lower(): other for other in known}
    near = [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower, n=most, cutoff=0.5)]
    return f"did you mean {' or '.join(near)}? " if near else ""


class Interrupted(Exception):
    """A run that cannot go on now and goes on later, as after Ctrl-C; exit code 130."""
