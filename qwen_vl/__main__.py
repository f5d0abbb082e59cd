"""The command line of the model: `python -m qwen_vl finetune`."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from qwen_vl.errors import CheckpointError, ImageError, TrainingDataError

EXAMPLES = """\
examples:
  python -m qwen_vl finetune --model Qwen/Qwen-VL-Chat --data talks.json --out tuned --dtype bfloat16
  python -m qwen_vl finetune --model demo --data talks.json --format raw --out tuned
  torchrun --nproc-per-node 8 -m qwen_vl finetune --model Qwen/Qwen-VL --data talks.json --out tuned

Data is Qwen-VL's own JSON: [{"id", "conversations": [{"from": "user", "value": "<img>a.png</img>..."},
{"from": "assistant", "value": "..."}]}]; pictures are relative to its folder. The same command goes on
where a killed run stopped. The result is a checkpoint folder that --model takes.
"""


NUMBERS: list[tuple[str, int | float | None, str]] = [
    ("epochs", 1, "times through the data"),
    ("max-steps", None, "plan so many steps at most"),
    ("stop-after", None, "end after so many steps of the plan, the learning rate still high"),
    ("batch-tokens", 4096, "decoder tokens a batch"),
    ("max-rows", 16, "rows that share one reading of a picture"),
    ("accumulate", 1, "batches a step"),
    ("learning-rate", 1e-5, "the highest"),
    ("warmup", 0.01, "part of the steps spent warming up"),
    ("weight-decay", 0.1, "on matrices"),
    ("beta2", 0.95, "of AdamW"),
    ("clip", 1.0, "largest norm of the gradient, 0 for any"),
    ("max-length", None, "most tokens a row may have (the model's seq_length)"),
    ("eval-fraction", 0.01, "part of the pictures held out"),
    ("eval-every", 200, "steps between evaluations"),
    ("save-every", 200, "steps between states to go on from"),
]


class Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        self.exit(2, f"error: {message} ({self.prog} --help explains)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 done, 2 bad input in one line, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return _finetune(arguments)
    except (CheckpointError, ImageError, TrainingDataError) as error:
        print(f"error: {_one_line(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on from the last saved step", file=sys.stderr)
        return 130


def _parser() -> Parser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m qwen_vl", description="The Qwen-VL model.", formatter_class=raw)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    purpose = "supervised training on conversations"
    tune = verbs.add_parser(
        "finetune", help=purpose, description=purpose, epilog=EXAMPLES, formatter_class=raw
    )
    add = tune.add_argument
    add(
        "--model",
        required=True,
        type=_filled,
        help="where to start: a checkpoint folder, a hub id, or 'demo'",
    )
    add("--data", required=True, type=_filled, metavar="JSON", help="the conversations")
    add(
        "--out",
        required=True,
        type=_filled,
        metavar="DIR",
        help="the new checkpoint; an unfinished run in it goes on",
    )
    add(
        "--format",
        choices=["chatml", "raw"],
        default="chatml",
        help="chatml (default): turns, learned are the assistant's; raw: user text + answer + end of text",
    )
    add("--freeze", default="", metavar="PARTS", help="of vision,resampler,embeddings,decoder")
    add("--dtype", choices=["float32", "bfloat16"], default="float32", help="to compute in (float32)")
    add("--device", default="auto", help="auto (default), cpu, cuda; under torchrun one GPU a process")
    add("--save-dtype", choices=["bfloat16", "float16", "float32"], default="bfloat16", help="of the result")
    add("--seed", type=int, default=0, help="of the order of the data and of what is held out (0)")
    for name, default, purpose in NUMBERS:
        kind, metavar = (_positive, "N") if not isinstance(default, float) else (_number, "X")
        kind = _part if name in ("warmup", "beta2", "eval-fraction") else kind
        shown = "" if default is None else f" ({default:g})"
        add(f"--{name}", type=kind, default=default, metavar=metavar, help=purpose + shown)
    return parser


def _finetune(arguments: argparse.Namespace) -> int:
    from qwen_vl.checkpoint import DEMO_FOLDER
    from qwen_vl.finetune import PARTS, Settings, finetune

    options = vars(arguments)
    freeze = tuple(part for part in options["freeze"].split(",") if part)
    for part in freeze:
        if part not in PARTS:
            raise TrainingDataError(f"--freeze {part}: unknown part; there are {', '.join(PARTS)}")
    model = str(DEMO_FOLDER) if options["model"] == "demo" else options["model"]
    out = finetune(Settings(**{**options, "freeze": freeze, "model": model}), progress=True)
    if out is not None:
        print(f"the trained checkpoint: {out}")
    return 0


def _one_line(message: str) -> str:
    """A message with line ends and control characters made harmless."""
    return "".join(char if char.isprintable() else " " for char in message)


def _filled(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a name, got an empty text")
    return text


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got '{text}'")
    return number


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e30:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got '{text}'")
    return number


def _part(text: str) -> float:
    number = _number(text)
    if number >= 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, got '{text}'")
    return number


if __name__ == "__main__":
    sys.exit(main())
