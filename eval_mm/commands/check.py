"""`check`: a run folder verified."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eval_mm.commands.arguments import OF_THE_RUN, add_data, add_settings, chosen_settings, positive
from eval_mm.commands.arguments import count as whole
from eval_mm.console import SAMPLE_ERRORS, Parser, align, count, printable
from eval_mm.errors import UserError

if TYPE_CHECKING:
    from eval_mm.check import RunCheck

PURPOSE = "verify a run folder; needs no model"

EXAMPLES = """
examples:
  python -m eval_mm check results/runs/demo
  python -m eval_mm check results/runs/Qwen-VL --data /elsewhere/data
  python -m eval_mm check results/runs/demo --invariance 20
  python -m eval_mm check results/runs/Qwen-VL --invariance 20 --model checkpoints/Qwen-VL --device cuda:1

Every sample must have one answer to its question as it is now: prompt, limits, checkpoint, and the picture's
content where the picture is here. Results must be what the stored answers give. Nothing is changed.

  answered   samples with an answer to exactly this question; missing: those without
  failed     of the answered those whose answer is an error
  stale      stored answers to another question, limit or checkpoint; they are not used
  repeated   answers given twice to one question; the newest counts
  spoilt     lines of the journal that are no answer, as a crash leaves them; they are asked again
  pictures   those that were asked about against those here now: same, changed, not here
  scores     result.json, scores.jsonl and files for servers against the answers: same or different

--invariance N asks N random samples again, each alone, and shows what is answered differently. In float32
on the same kind of device nothing may differ. bfloat16, another device and servers round otherwise with every
batch: there it is a note.

Exit codes: 0 all well; 3 something found; 2 no run folder that can be read.
"""

FOUND = SAMPLE_ERRORS
HEAD = (
    "task",
    "samples",
    "answered",
    "missing",
    "failed",
    "stale",
    "repeated",
    "spoilt",
    "pictures",
    "scores",
)
SHOWN, LONGEST = 20, 48
"""Differences in the table, and letters of each answer."""


def add_options(parser: Parser) -> None:
    """The options of `check`."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    add_data(parser, OF_THE_RUN)
    again = parser.add_argument_group("asking again")
    again.add_argument(
        "--invariance", type=positive, metavar="N", help="ask N random samples again, each alone"
    )
    again.add_argument("--seed", type=whole, metavar="S", help="draws them (default 0)")
    again.add_argument("--model", metavar="MODEL", help="where the run's model is now (default: its name)")
    add_settings(parser, wording=False)


def command(arguments: argparse.Namespace) -> int:
    """Prints what was found; returns the exit code."""
    from eval_mm.check import check_run
    from eval_mm.models import WORDING

    settings = chosen_settings(arguments)
    given = {"seed": arguments.seed, "model": arguments.model, **settings}
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if value is not None and arguments.invariance is None:
            raise UserError(f"{option} is for --invariance N: nothing else is asked")
        if name in WORDING:
            raise UserError(f"{option} is not for check: a run is asked again in its own words")
    found = check_run(arguments.run, arguments.data)
    if found.tasks:
        print(_table(found))
    code = _say(found.said("findings"), found.said("notes"))
    if arguments.invariance is not None:
        code = max(code, _ask_again(arguments, settings))
    return code


def _table(found: "RunCheck") -> str:
    rows: list[tuple[str, ...]] = [HEAD]
    for one in found.tasks:
        counts = (one.samples, one.answered, one.missing, one.failed, one.stale, one.repeated)
        rows.append((one.task, *map(count, counts), count(one.spoilt), one.pictures, one.scores))
    return align(rows, {0, 8, 9})


def _say(findings: Sequence[str], notes: Sequence[str]) -> int:
    """All that was found, and the exit code."""
    for text in notes:
        print(f"note: {printable(text)}")
    for text in findings:
        print(f"found: {printable(text)}")
    print(f"findings: {len(findings)}" if findings else "all well")
    return FOUND if findings else 0


def _ask_again(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """What is answered differently alone, and the exit code."""
    from eval_mm.invariance import ask_again

    found = ask_again(
        arguments.run,
        arguments.invariance,
        arguments.seed or 0,
        model=arguments.model,
        settings=settings,
        data=arguments.data,
        progress=True,
    )
    differing = len(found.differences)
    share = f"{differing:,} ({differing / found.asked:.1%})"
    print(f"\nasked again, each alone: {found.asked:,}; differing: {share}")
    if not differing:
        return 0
    rows = [("task", "id", "stored", "now")]
    rows += [(one.task, one.id, _short(one.stored), _short(one.now)) for one in found.differences[:SHOWN]]
    print(align(rows, {0, 1, 2, 3}))
    if differing > SHOWN:
        print(f"and {differing - SHOWN:,} more")
    if found.excuse and not any(one.now.startswith("error: ") for one in found.differences):
        print(f"note: {found.excuse}: some differences are to be expected")
        return 0
    print("found: an answer must not depend on what is asked beside it")
    return FOUND


def _short(text: str) -> str:
    text = repr(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
