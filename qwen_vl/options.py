"""What the command lines of the model share: a parser that is brief, the kinds of values, harmless text."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        self.exit(2, f"error: {message} ({self.prog} --help explains)\n")


def one_line(message: str) -> str:
    """A message with line ends and control characters made harmless."""
    return "".join(char if char.isprintable() else " " for char in message)


def printable(text: str) -> str:
    r"""Text that cannot steer a terminal: lines and tabs stay, other control characters show as \x1b.

    Joiners of letters and emoji stay as well; what turns the direction of writing does not.
    """
    kept = "\n\t\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def filled(text: str) -> str:
    """An argument that is not empty."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name, got an empty text")
    return text


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got '{text}'")
    return number


def number(text: str) -> float:
    """A number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e30:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got '{text}'")
    return value


def part(text: str) -> float:
    """A number of at least 0 and below 1."""
    value = number(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, got '{text}'")
    return value


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    value = number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, got '{text}'")
    return value


def seed(text: str) -> int:
    """A whole number from 0 to 2^63 - 1."""
    value = int(text) if text.isdecimal() and len(text) < 20 else -1
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got '{text}'")
    return value
