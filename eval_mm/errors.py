"""What goes wrong because of the user's input: always one line, never a traceback, exit code 2."""

from pathlib import Path


class UserError(Exception):
    """Something the user can mend. The message is one line that says what is wrong and what is allowed."""


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


class Interrupted(Exception):
    """A run that cannot go on now and goes on later, as after Ctrl-C; exit code 130."""
