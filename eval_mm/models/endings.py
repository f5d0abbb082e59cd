"""Where an answer ends: at the first of its stop texts, whoever cuts it."""

from collections.abc import Sequence


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the stop that begins first, as servers cut it; one stop may begin within another."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
