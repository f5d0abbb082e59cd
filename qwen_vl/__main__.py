"""The command line of the model: `python -m qwen_vl chat`, `serve`, `profile` and `finetune`."""

import argparse
import os
import sys
from collections.abc import Sequence

from qwen_vl import terminal
from qwen_vl.errors import CheckpointError, ImageError, TrainingDataError
from qwen_vl.options import Parser, filled, number, one_line, part, positive
from qwen_vl.profiling import command as profiling
from qwen_vl.serving import command as serving

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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 done, 2 bad input in one line, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    command = vars(arguments).pop("command")
    try:
        code: int = command(arguments)
        sys.stdout.flush()
        return code
    except (CheckpointError, ImageError, TrainingDataError, terminal.ChatError, serving.ServeError) as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `... | head` closed our output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(
            f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        advice = ": the same command goes on from the last saved step" if command is _finetune else ""
        print(f"\ninterrupted{advice}", file=sys.stderr)
        return 130


def _parser() -> Parser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m qwen_vl", description="The Qwen-VL model.", formatter_class=raw)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    talk = verbs.add_parser(
        "chat",
        help=terminal.PURPOSE,
        description=terminal.PURPOSE,
        epilog=terminal.EXAMPLES,
        formatter_class=raw,
    )
    terminal.add_options(talk)
    talk.set_defaults(command=terminal.run)
    serve = verbs.add_parser(
        "serve",
        help=serving.PURPOSE,
        description=serving.PURPOSE,
        epilog=serving.EXAMPLES,
        formatter_class=raw,
    )
    serving.add_options(serve)
    serve.set_defaults(command=serving.run)
    measure = verbs.add_parser(
        "profile",
        help=profiling.PURPOSE,
        description=profiling.PURPOSE,
        epilog=profiling.EXAMPLES,
        formatter_class=raw,
    )
    profiling.add_options(measure)
    measure.set_defaults(command=profiling.run)
    purpose = "supervised training on conversations"
    tune = verbs.add_parser(
        "finetune", help=purpose, description=purpose, epilog=EXAMPLES, formatter_class=raw
    )
    tune.set_defaults(command=_finetune)
    add = tune.add_argument
    add(
        "--model",
        required=True,
        type=filled,
        help="where to start: a checkpoint folder, a hub id, or 'demo'",
    )
    add("--data", required=True, type=filled, metavar="JSON", help="the conversations")
    add(
        "--out",
        required=True,
        type=filled,
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
        kind, metavar = (positive, "N") if not isinstance(default, float) else (number, "X")
        kind = part if name in ("warmup", "beta2", "eval-fraction") else kind
        shown = "" if default is None else f" ({default:g})"
        add(f"--{name}", type=kind, default=default, metavar=metavar, help=purpose + shown)
    return parser


def _finetune(arguments: argparse.Namespace) -> int:
    from qwen_vl.checkpoint import DEMO_FOLDER
    from qwen_vl.finetune import PARTS, Settings, finetune

    options = vars(arguments)
    freeze = tuple(name for name in options["freeze"].split(",") if name)
    for name in freeze:
        if name not in PARTS:
            raise TrainingDataError(f"--freeze {name}: unknown part; there are {', '.join(PARTS)}")
    model = str(DEMO_FOLDER) if options["model"] == "demo" else options["model"]
    out = finetune(Settings(**{**options, "freeze": freeze, "model": model}), progress=True)
    if out is not None:
        print(f"the trained checkpoint: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
