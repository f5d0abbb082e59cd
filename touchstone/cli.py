"""The command line: judge, agreement, report. Printing only; what is done is in judging.py.

Exit codes: 0 complete; 2 bad usage or bad input, said in one line; 3 finished with judgements that were not
made; 130 interrupted, resumable.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval_mm.commands.arguments import count, money, positive, seconds, temperature
from eval_mm.console import SAMPLE_ERRORS, Parser, align, guarded, printable
from eval_mm.errors import UserError

if TYPE_CHECKING:
    from touchstone.judging import Verdict

# The rest of the package is imported by the command that needs it: --help answers without.

EXAMPLES = {
    "": """
examples:
  python -m eval_mm run --task touchstone_en --model Qwen/Qwen-VL-Chat --data data
  python -m touchstone judge results/runs/Qwen-VL-Chat --judge gpt-4o --price-in 2.5 --price-out 10
  python -m touchstone report results/runs/Qwen-VL-Chat
  python -m touchstone agreement results/runs/one results/runs/two
""",
    "judge": """
examples:
  python -m touchstone judge results/runs/echo --judge stub              the whole path without a key
  python -m touchstone judge results/runs/Qwen-VL-Chat --judge gpt-4o --dry-run
  python -m touchstone judge results/runs/Qwen-VL-Chat --judge gpt-4o --max-cost 9 --price-in 2 --price-out 8
  python -m touchstone judge results/runs/Qwen-VL-Chat --judge qwen3 --base-url http://localhost:8000/v1
  python -m touchstone judge submission.tsv --out results/runs/other --judge gpt-4o --data data

Each judgement is stored the moment it is made; the same command goes on where it stopped. The key comes from
the environment (OPENAI_API_KEY) and is written nowhere.
""",
    "agreement": """
examples:
  python -m touchstone agreement results/runs/one results/runs/two
  python -m touchstone agreement results/runs/one results/runs/one --judge-a 3f2a --judge-b 9c01

Compares what was judged in both of the same answers: two judges, or one at two times (judge --repeat N).
""",
    "report": """
examples:
  python -m touchstone report results/runs/Qwen-VL-Chat
""",
}

PURPOSES = {
    "judge": "score a run's answers with a judge",
    "agreement": "compare two judgings of the same answers",
    "report": "show what was judged, as a table and one HTML file",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    return guarded(
        lambda: int(arguments.command(arguments)), "all judgements so far are kept, the same command goes on"
    )


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="python -m touchstone",
        description="Judges the answers to TouchStone's questions.",
        epilog=EXAMPLES[""],
    )
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    commands = {"judge": (_add_judge, _judge), "agreement": (_add_agreement, _agreement)}
    commands["report"] = (_add_report, _report)
    for name, (fill, command) in commands.items():
        purpose = PURPOSES[name]
        verb = verbs.add_parser(
            name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", epilog=EXAMPLES[name]
        )
        verb.set_defaults(command=command)
        fill(verb)
    return parser


def _add_judge(parser: Parser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, or a file of answers (.tsv, .json, .jsonl) with --out")
    add("--judge", required=True, metavar="MODEL", help="the judge's model, or 'stub', which needs no key")
    add("--base-url", metavar="URL", help="a server that speaks OpenAI's chat completions (default: theirs)")
    add("--api-key-env", default="OPENAI_API_KEY", metavar="NAME", help="the variable that has the key")
    add("--judge-prompt", metavar="FILE", help="another prompt: JSON with system and template")
    add("--temperature", type=temperature, default=0.0, metavar="T", help="0 (default), or 'server'")
    add("--max-reply-tokens", type=positive, default=512, metavar="N", help="of a reply (default 512)")
    add("--repeat", type=count, default=0, metavar="N", help="judge again, as number N, to check for drift")
    add("--concurrency", type=positive, default=16, metavar="N", help="calls at once (default 16)")
    add("--timeout", type=seconds, default=120.0, metavar="S", help="seconds a call may take (default 120)")
    add("--tries", type=positive, default=8, metavar="N", help="of a call that fails (default 8)")
    add("--price-in", type=money, metavar="USD", help="per million tokens sent")
    add("--price-out", type=money, metavar="USD", help="per million tokens received")
    add(
        "--max-cost",
        type=money,
        metavar="USD",
        help="never spend more on these answers, all tasks and earlier tries counted",
    )
    add("--yes", action="store_true", help="do not ask before spending")
    add("--dry-run", action="store_true", help="only tell what would be asked and what it would cost")
    add("--out", metavar="DIR", help="the run folder to make of a file of answers")
    _add_task(parser)


def _add_agreement(parser: Parser) -> None:
    add = parser.add_argument
    add("runs", nargs=2, metavar="RUN", help="a judged run folder")
    add("--judge-a", metavar="HASH", help="which judge of the first run, where it has several")
    add("--judge-b", metavar="HASH", help="which judge of the second")
    add("--show", type=count, default=20, metavar="N", help="disagreements to list (default 20)")
    _add_task(parser)


def _add_report(parser: Parser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a judged run folder")
    add("--judge", metavar="HASH", help="which judge, where the run has several")
    _add_task(parser)


def _add_task(parser: Parser) -> None:
    parser.add_argument(
        "--task", metavar="NAME", help="touchstone_en or touchstone_zh (default: what is there)"
    )
    parser.add_argument("--data", metavar="DIR", help="data root (default: that of the run)")


def _judge(arguments: argparse.Namespace) -> int:
    from eval_mm.calls.cost import priced
    from eval_mm.calls.patience import Patience
    from touchstone.asking import Limits
    from touchstone.judging import judge
    from touchstone.options import Options

    options = Options(
        judge=arguments.judge,
        base_url=arguments.base_url,
        api_key_env=arguments.api_key_env,
        judge_prompt=arguments.judge_prompt,
        temperature=arguments.temperature,
        max_reply_tokens=arguments.max_reply_tokens,
        repeat=arguments.repeat,
        limits=Limits(arguments.concurrency, arguments.timeout, Patience(arguments.tries)),
        prices=priced(arguments.price_in, arguments.price_out),
        max_cost=arguments.max_cost,
        dry_run=arguments.dry_run,
    )
    verdicts = judge(
        arguments.run,
        options,
        task=arguments.task,
        data=arguments.data,
        out=arguments.out,
        agree=tell if arguments.yes or options.dry_run else asking(options.judge),
        progress=True,
    )
    from touchstone.report import table

    for verdict in verdicts:
        print(table(verdict.result))
    return told(verdicts)


def told(verdicts: Sequence["Verdict"]) -> int:
    """Says what became of the calls; returns the exit code."""
    from touchstone.report import STUB_WARNING

    if any(verdict.result.config["judge"]["model"] == "stub" for verdict in verdicts):
        print(f"*** {STUB_WARNING} ***", file=sys.stderr)
    code = 0
    for verdict in verdicts:
        name, tally = verdict.result.task, verdict.tally
        if verdict.spent is not None:
            print(f"{name}: spent ${verdict.spent:.4f}, replies that were not recorded not counted")
        if tally.missing:
            print(
                f"note: {name}: {tally.missing:,} replies could not be read, twice; missing", file=sys.stderr
            )
        if tally.too_dear:
            print(f"{name}: stopped at --max-cost, {tally.too_dear:,} judgements are left", file=sys.stderr)
        for fault in tally.failed[:3]:
            print(f"error in a call: {name} {printable(fault)}", file=sys.stderr)
        if verdict.num_unasked:
            print(
                f"{name}: {verdict.num_unasked:,} judgements were not made; the same command asks only those",
                file=sys.stderr,
            )
            code = SAMPLE_ERRORS
        if verdict.result.num_errors:
            code = SAMPLE_ERRORS
    return code


def asking(judge: str) -> Callable[[str], bool]:
    """Shows what is about to be spent and waits for a yes; the stub spends nothing."""

    def agree(plan: str) -> bool:
        tell(plan)
        if judge == "stub" or ": 0 calls" in plan:
            return True
        if not sys.stdin.isatty():
            raise UserError("nobody is there to be asked; --yes goes on without a question")
        if input("go on? [y/N] ").strip().lower() in ("y", "yes"):
            return True
        raise UserError("nothing was asked")

    return agree


def tell(plan: str) -> bool:
    """Shows what is about to be spent, and goes on."""
    print(plan, flush=True)
    return True


def _agreement(arguments: argparse.Namespace) -> int:
    from touchstone.agreement import APART, compare
    from touchstone.answered import read_run
    from touchstone.judging import read_judged, stored_settings

    sides = []
    for run, wanted in zip(arguments.runs, (arguments.judge_a, arguments.judge_b), strict=True):
        found = read_run(Path(run), arguments.task, arguments.data)
        if len(found) > 1:
            raise UserError(
                f"{run}: has {' and '.join(a.stored.task.name for a in found)}; name one with --task"
            )
        settings = stored_settings(found[0], wanted)
        print(f"{run}: {found[0].stored.task.name}, judge {settings.model} {settings.hash}")
        sides.append(read_judged(found[0], settings))
    found_both = compare(*sides)
    rho = found_both.correlation
    difference = found_both.difference
    stderr = "" if difference.stderr is None else f" ± {difference.stderr:.3f}"
    rows = [
        ("figure", "value"),
        ("questions judged in both", f"{len(found_both.pairs):,}"),
        ("left out: answered otherwise", f"{found_both.other_answers:,}"),
        ("left out: no order read in both", f"{found_both.not_shared:,}"),
        ("rank correlation", "not defined" if rho is None else f"{rho:.4f}"),
        ("mean difference, second less first, points", f"{difference.value:+.3f}{stderr}"),
        (f"{APART:g} points apart or more", f"{len(found_both.disagreements):,}"),
    ]
    print(align(rows))
    if found_both.disagreements and arguments.show:
        listed = [("question", "first", "second", "asks")]
        for pair in found_both.disagreements[: arguments.show]:
            asks = printable(pair.one.sample.question)
            listed.append((pair.one.sample.id, f"{pair.first:.1f}", f"{pair.second:.1f}", asks[:60]))
        print(align(listed, {0, 3}))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from eval_mm.files import write_text
    from touchstone.answered import read_run
    from touchstone.judging import read_judged, result, stored_settings
    from touchstone.report import html, table

    for answered in read_run(Path(arguments.run), arguments.task, arguments.data):
        settings = stored_settings(answered, arguments.judge)
        judged = read_judged(answered, settings)
        found = result(answered, judged, settings)
        path = answered.folder / f"report.{settings.protocol}.html"
        write_text(path, html(answered, found, judged))
        print(table(found))
        print(f"report: {path}")
    return 0
