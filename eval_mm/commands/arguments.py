"""Options that several verbs share, and the types of their values."""

import argparse
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

from eval_mm.console import Parser
from eval_mm.metrics import NAMES
from eval_mm.schema import BoxScale

USUAL_ROOT = "$EVAL_MM_DATA, then ./data, then the bundled demo data; 'demo' names that"
OF_THE_RUN = "the one of the run"


def add_data(parser: Parser, default: str = USUAL_ROOT) -> None:
    """--data, the data root; what has been asked already says where its rows are by default."""
    parser.add_argument("--data", type=filled, metavar="DIR", help=f"data root (default {default})")


def add_own(parser: Parser) -> None:
    """What is measured, for verbs that make results."""
    add = parser.add_argument
    add("--metrics", metavar="NAMES", help="further metrics of captions: bleu, rouge_l, meteor, spice")
    add("--breakdowns", action="store_true", help="show the parts of every number too")
    add("--metric", metavar="M", help=f"what judges --task file:PATH: {', '.join(NAMES)}")
    add("--references", type=filled, metavar="FILE", help="the captions of --task caption, in COCO's form")


def add_settings(parser: Parser, wording: bool = True) -> None:
    """How the model runs: one option for one field of models.Settings, which keeps its default without it.

    Without `wording` the options that change what is asked are read and not shown.
    """
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
    add_wording(parser, wording)
    add_server(parser)
    hf = parser.add_argument_group("models of transformers (hf:FOLDER_OR_ID)")
    hf.add_argument("--adapter", type=filled, metavar="DIR", help="a LoRA adapter of peft on top")
    hf.add_argument("--device-map", metavar="MAP", help="auto, balanced, ...: the model over several GPUs")
    hf.add_argument(
        "--batch-tokens", type=positive, metavar="N", help="tokens a batch (default 32768 on a GPU)"
    )


def add_wording(parser: Parser, shown: bool = True) -> None:
    """What is asked in place of the protocol's own words and limit."""
    group = parser.add_argument_group("the protocol in other words (results then name it apart)")

    def add(option: str, kind: Callable[[str], object], metavar: str, help: str) -> None:
        group.add_argument(option, type=kind, metavar=metavar, help=help if shown else argparse.SUPPRESS)

    add(
        "--prompt-template",
        filled,
        "FILE",
        "the prompt: text with {question}, {choices}, {hint} or {prompt}, the protocol's whole prompt",
    )
    add("--system", filled, "TEXT", "a system text, or the file of one")
    add("--max-new-tokens", positive, "N", "of an answer and the reasoning before it")


def add_server(parser: Parser) -> None:
    """How a model behind a server is asked."""
    add = parser.add_argument_group("models behind a server (openai:NAME)").add_argument
    add("--base-url", metavar="URL", help="a server that speaks OpenAI's chat completions (default: theirs)")
    add("--api-key-env", metavar="NAME", help="the variable that has the key (default OPENAI_API_KEY)")
    add("--temperature", type=temperature_or_server, metavar="T", help="0 (default) to 2, or 'server'")
    add(
        "--generation-seed",
        type=count,
        metavar="S",
        help="of drawn answers, where the server takes one",
    )
    add(
        "--reasoning-effort",
        type=filled,
        metavar="E",
        help="low, medium, high, ...: as the server has it",
    )
    add("--extra-body", type=json_object, metavar="JSON", help="further fields of every request")
    add(
        "--max-image-size",
        type=positive,
        metavar="N",
        help="shrink pictures with a longer side than N pixels",
    )
    add("--max-concurrency", type=positive, metavar="N", help="calls at once, fewer if too many (default 16)")
    add("--timeout", type=seconds, metavar="S", help="seconds a call may take (default 300)")
    add("--tries", type=positive, metavar="N", help="of a call that fails (default 8)")
    add("--price-in", type=money, metavar="USD", help="per million tokens read")
    add("--price-out", type=money, metavar="USD", help="per million tokens written")
    add(
        "--max-cost",
        type=money,
        metavar="USD",
        help="stop before this command spends more; of several processes each has an equal part",
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


def megabytes(text: str) -> float:
    """The length of a file in 10^6 bytes."""
    return _number(text, "a number above 0", 1e6, above=0.0)


def temperature_or_server(text: str) -> float | str:
    """What answers are drawn with; "server" leaves it to the server."""
    return text if text == "server" else _number(text, "0 to 2, or 'server'", 2.0)


def temperature(text: str) -> float | None:
    """The same, None for the server's."""
    return None if text == "server" else _number(text, "0 to 2, or 'server'", 2.0)


def json_object(text: str) -> str:
    """A JSON object, in the form that is the same for equal ones."""
    from eval_mm.models.openai_extra import json_fields

    try:
        return json.dumps(json_fields(text), sort_keys=True, ensure_ascii=False)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
