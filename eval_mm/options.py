"""The options of the command line and what --help says of them."""

import argparse
from collections.abc import Callable, Mapping
from typing import get_args

from eval_mm.console import Parser
from eval_mm.metrics import NAMES
from eval_mm.schema import BoxScale

Command = Callable[[argparse.Namespace], int]

EXAMPLES = {
    "": """
examples:
  python -m eval_mm run --task refcoco                  bundled demo model and data: try this first
  python -m eval_mm run --task refcoco --model Qwen/Qwen-VL --data data
  python -m eval_mm score results/runs/demo             score stored answers again, no model needed
  python -m eval_mm explain results/runs/demo 17        one answer from prompt to score
  python -m eval_mm list                                tasks, families, and what is prepared
""",
    "run": """
examples:
  python -m eval_mm run --task refcoco
  python -m eval_mm run --task refcoco_val,refcocog --model ./Qwen-VL --data data --dtype bfloat16
  python -m eval_mm run --task grounding --limit 100    the first 100 rows of each split
  python -m eval_mm run --task okvqa_val --few-shot 4 --model Qwen/Qwen-VL --data data
  python -m eval_mm run --task nocaps_val --metrics bleu,rouge_l,meteor --data data
  python -m eval_mm run --task file:my.jsonl --metric anls
  python -m eval_mm run --task refcoco_testA --model echo:answers.jsonl --data data
  python -m eval_mm run --task touchstone_en --model Qwen/Qwen-VL-Chat --judge gpt-4o --data data

Answers are stored as they finish; the same command goes on where it stopped.
""",
    "score": """
examples:
  python -m eval_mm score results/runs/demo
  python -m eval_mm score results/runs/one results/runs/two
  python -m eval_mm score results/runs/demo --task refcoco_val --protocol instruct
  python -m eval_mm score --task refcoco_val --predictions answers.jsonl --data data
  python -m eval_mm score --task refcoco_val --predictions qwen_vl_output.json --match order --data data
  python -m eval_mm score --task caption --references captions.json --predictions captions_results.json
  python -m eval_mm score --task vizwiz_test --predictions answers.json --out submissions --data data

A file of answers is a JSON list, a JSON object id -> text, or JSONL. Its ids are those of samples, or name
pictures; then the answers about a picture stand in the order of the samples about it.
""",
    "explain": """
examples:
  python -m eval_mm explain results/runs/demo 17 --task textvqa_val

Ids are those of scores.jsonl. Shown are the prompt as sent, the picture, the raw answer, the references, and
for every protocol of the task what its scorer makes of the answer, step by step.
""",
    "list": """
examples:
  python -m eval_mm list
  python -m eval_mm list refcoco+
  python -m eval_mm list --names grounding              for loops in a shell
""",
}


PURPOSES = {
    "run": "ask a model and score its answers",
    "score": "score stored answers or a file of them; needs no model",
    "explain": "show one answer from prompt to score",
    "list": "show tasks, families and what is prepared",
}


def build_parser(commands: Mapping[str, Command]) -> Parser:
    """The parser of all commands; each leaves its function in `command`."""
    parser = Parser(
        prog="python -m eval_mm",
        description="Measures vision-language models on the published benchmarks.",
        epilog=EXAMPLES[""],
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    fill = {"run": _add_run, "score": _add_score, "explain": _add_explain, "list": _add_list}
    for name, purpose in PURPOSES.items():
        verb = verbs.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            epilog=EXAMPLES[name],
        )
        verb.set_defaults(command=commands[name])
        fill[name](verb)
    return parser


def _add_run(parser: Parser) -> None:
    add = parser.add_argument
    add("--task", action="append", required=True, metavar="NAMES", help="tasks and families, comma-separated")
    add(
        "--model",
        default="demo",
        help="a folder or hub id of a Qwen-VL checkpoint, 'demo' (default), 'echo' or 'echo:FILE'",
    )
    _add_data(parser)
    add("--protocol", help="prompt, limits and scorer (default: qwen-vl for Qwen-VL models)")
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument("--limit", type=_positive, metavar="N", help="only the first N rows of each task")
    rows.add_argument("--sample", type=_positive, metavar="N", help="only N random rows of each task")
    add(
        "--few-shot",
        type=_positive,
        metavar="K",
        help="K examples of the benchmark's training rows before every question",
    )
    add("--seed", type=int, metavar="S", help="of --sample and --few-shot (default 0)")
    _add_own(parser)
    add(
        "--out",
        type=_filled,
        metavar="DIR",
        help="run folder (default results/runs/<model>); an existing one is resumed",
    )
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, ...")
    add(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16", "float16"],
        help="auto (default): bfloat16 or float16 on a GPU, float32 on a CPU",
    )
    judge = parser.add_argument_group("open questions (touchstone_en, touchstone_zh)")
    judge.add_argument("--judge", metavar="MODEL", help="who scores the answers: a model, or 'stub'")
    judge.add_argument("--base-url", metavar="URL", help="the judge's server (default: OpenAI's)")
    judge.add_argument("--judge-prompt", metavar="FILE", help="what it is told: JSON with system, template")
    judge.add_argument("--yes", action="store_true", help="do not ask before spending")


def _add_score(parser: Parser) -> None:
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="run folders")
    add("--task", metavar="NAMES", help="only these tasks; with --predictions the one task of the file")
    add("--protocol", metavar="P", help="whose scorer (default: the run's own; for a file the task's first)")
    _add_data(parser)
    add(
        "--subset",
        action="store_true",
        help="score what is there where answers are missing",
    )
    _add_own(parser)
    file = parser.add_argument_group("answers made elsewhere")
    file.add_argument("--predictions", type=_filled, metavar="FILE", help="a file of answers")
    file.add_argument("--match", choices=["id", "order"], help="by id or picture (default id), or by order")
    file.add_argument("--id-key", metavar="KEY", help="the key of the id, where it is an unusual one")
    file.add_argument("--text-key", metavar="KEY", help="the key of the answer, likewise")
    file.add_argument(
        "--box-scale",
        choices=get_args(BoxScale),
        help="the unit of coordinates in the answers (default 999, that of Qwen-VL); boxes in another form "
        "than (x1,y1),(x2,y2) need --protocol instruct",
    )
    file.add_argument(
        "--out", type=_filled, metavar="DIR", help="write <DIR>/<task>/result.json and scores.jsonl"
    )


def _add_own(parser: Parser) -> None:
    """Options of both `run` and `score` that say what is measured."""
    add = parser.add_argument
    add(
        "--metrics",
        metavar="NAMES",
        help="further metrics of captions: bleu, rouge_l, meteor, spice",
    )
    add("--breakdowns", action="store_true", help="show the parts of every number too")
    add("--metric", metavar="M", help=f"what judges --task file:PATH: {', '.join(NAMES)}")
    add("--references", type=_filled, metavar="FILE", help="the captions of --task caption, in COCO's form")


def _add_explain(parser: Parser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder")
    add("sample", metavar="SAMPLE_ID", help="the id of a sample")
    add("--task", metavar="NAME", help="the task, where several tasks of the run have the id")
    _add_data(parser)


def _add_list(parser: Parser) -> None:
    parser.add_argument("tasks", nargs="*", metavar="NAME", help="only these tasks or families")
    parser.add_argument("--names", action="store_true", help="only the names of the tasks, one a line")
    _add_data(parser)


def _add_data(parser: Parser) -> None:
    parser.add_argument(
        "--data",
        type=_filled,
        metavar="DIR",
        help="data root (default $EVAL_MM_DATA, then ./data, then the bundled demo data; 'demo' names that)",
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got '{text}'")
    return number


def _filled(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return text


class _Version(argparse.Action):
    """--version, read from the installed package only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"eval-mm {version('eval-mm')}")
        parser.exit()
