"""Normalisation as named steps: the objects that score a text also explain what was done to it."""

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """One rule of a published scorer: its name in plain words and the function from text to text."""

    name: str
    apply: Callable[[str], str]


Steps = tuple[Step, ...]
"""Steps in the order they are applied."""


def run(steps: Steps, text: str) -> str:
    """The text after all steps."""
    for step in steps:
        text = step.apply(text)
    return text


def trace(steps: Steps, text: str) -> list[tuple[str, str]]:
    """The name of every step with the text after it."""
    traced = []
    for step in steps:
        text = step.apply(text)
        traced.append((step.name, text))
    return traced
