"""Options that several verbs share, and the types of their values."""

import argparse
from dataclasses import fields
from typing import Any, get_args

from eval_mm.console import Parser
from eval_mm.metrics import NAMES
from eval_mm.schema import BoxScale


def add_data(parser: Parser) -> None:
    """--data, the data root."""
    parser.add_argument(
        "--data",
        type=filled,
        metavar="DIR",
        help="data root (default $EVAL_MM_DATA, then ./data, then the bundled demo data; 'demo' names that)",
    )


def add_own(parser: Parser) -> None:
    """What is measured, for verbs that make results."""
    add = parser.add_argument
    add("--metrics", metavar="NAMES", help="further metrics of captions: bleu, rouge_l, meteor, spice")
    add("--breakdowns", action="store_true", help="show the parts of every number too")
    add("--metric", metavar="M", help=f"what judges --task file:PATH: {', '.join(NAMES)}")
    add("--references", type=filled, metavar="FILE", help="the captions of --task caption, in COCO's form")


def add_settings(parser: Parser) -> None:
    """How the model runs: one option for one field of models.Settings, which keeps its default without it."""
    add = parser.add_argument
    add("--device", help="auto (default), cpu, cuda, cuda:1, ...")
    add(
        "--dtype",
        choices=["auto", "float32", "bfloat16", "float16"],
        help="auto (default): bfloat16 or float16 on a GPU, float32 on a CPU",
    )
    add(
        "--box-scale",
        choices=get_args(BoxScale),
        help="the unit of the coordinates the model writes, where it is not known of its family",
    )
    hf = parser.add_argument_group("models of transformers (hf:FOLDER_OR_ID)")
    hf.add_argument("--adapter", type=filled, metavar="DIR", help="a LoRA adapter of peft on top")
    hf.add_argument("--device-map", metavar="MAP", help="auto, balanced, ...: the model over several GPUs")
    hf.add_argument(
        "--batch-tokens", type=positive, metavar="N", help="tokens a batch (default 32768 on a GPU)"
    )


def chosen_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of models.Settings that the user chose."""
    from eval_mm.models import Settings

    given = {field.name: getattr(arguments, field.name, None) for field in fields(Settings)}
    return {name: value for name, value in given.items() if value is not None}


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got '{text}'")
    return number


def count(text: str) -> int:
    """A whole number."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number, got '{text}'")
    return int(text)


def money(text: str) -> float:
    """Dollars."""
    return _number(text, "an amount in dollars", 1e9)


def seconds(text: str) -> float:
    """A time of at most a day."""
    return _number(text, "a number of seconds above 0", 86_400, above=0.0)


def temperature(text: str) -> float | None:
    """What answers are drawn with; None leaves it to the server."""
    return None if text == "server" else _number(text, "0 to 2, or 'server'", 2.0)


def _number(text: str, what: str, most: float, above: float = -1.0) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not max(0.0, above) <= number <= most or number <= above:
        raise argparse.ArgumentTypeError(f"expected {what}, got '{text}'")
    return number


def filled(text: str) -> str:
    """A path that is not empty."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return text


def names(listed: str | None) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in listed.split(",") if name.strip()] if listed else []
