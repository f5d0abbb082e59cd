"""`score`: stored answers, or a file of them, judged without a model."""

import argparse
from typing import get_args

from eval_mm.commands.arguments import OF_THE_RUN, add_data, add_own, filled, names
from eval_mm.commands.outcome import finish, print_submissions
from eval_mm.console import Parser, seen_width
from eval_mm.schema import BoxScale

PURPOSE = "score stored answers or a file of them; needs no model"

EXAMPLES = """
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
"""


def add_options(parser: Parser) -> None:
    """The options of `score`."""
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="run folders")
    add("--task", metavar="NAMES", help="only these tasks; with --predictions the one task of the file")
    add("--protocol", metavar="P", help="whose scorer (default: the run's own; for a file the task's first)")
    add_data(parser, f"{OF_THE_RUN}, for a file as in `run`")
    add(
        "--subset",
        action="store_true",
        help="score what is there where answers are missing",
    )
    add_own(parser)
    file = parser.add_argument_group("answers made elsewhere")
    file.add_argument("--predictions", type=filled, metavar="FILE", help="a file of answers")
    file.add_argument("--match", choices=["id", "order"], help="by id or picture (default id), or by order")
    file.add_argument("--id-key", metavar="KEY", help="the key of the id, where it is an unusual one")
    file.add_argument("--text-key", metavar="KEY", help="the key of the answer, likewise")
    file.add_argument(
        "--box-scale",
        choices=[scale for scale in get_args(BoxScale) if scale != "resized"],
        help="the unit of coordinates in the answers (default 999, that of Qwen-VL); boxes in another form "
        "than (x1,y1),(x2,y2) need --protocol instruct",
    )
    file.add_argument(
        "--out", type=filled, metavar="DIR", help="write <DIR>/<task>/result.json and scores.jsonl"
    )


def command(arguments: argparse.Namespace) -> int:
    """Scores, prints; returns the exit code."""
    from eval_mm.report.table import breakdown_table, results_table
    from eval_mm.rescore import score

    options = dict(
        task=arguments.task,
        predictions=arguments.predictions,
        protocol=arguments.protocol,
        data=arguments.data,
        subset=arguments.subset,
        metrics=names(arguments.metrics),
        metric=arguments.metric,
        references=arguments.references,
        match=arguments.match,
        id_key=arguments.id_key,
        text_key=arguments.text_key,
        box_scale=arguments.box_scale,
        out=arguments.out,
    )
    by_folder = {folder: score(folder, **options) for folder in arguments.runs or [None]}
    results = [result for found in by_folder.values() for result in found]
    runs = [str(folder) for folder, found in by_folder.items() for _ in found]
    several = runs if len(by_folder) > 1 else None
    print(results_table(results, [None] * len(results), several, seen_width()))
    if arguments.breakdowns:
        print(breakdown_table(results))
    for folder, found in by_folder.items():
        if place := folder or arguments.out:
            print_submissions(found, place)
            print(f"scores and results: {place}")
    return finish(results)
