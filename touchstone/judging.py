"""A run judged, from its answers to its result: the one readable function."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval_mm import store
from eval_mm.calls.cost import Budget, Prices
from eval_mm.calls.faults import Stop
from eval_mm.errors import DataError, UserError
from eval_mm.files import json_text, jsonl, write_all
from eval_mm.schema import Result
from touchstone import prompts, scores
from touchstone.answered import Answered, Item, import_answers, read_run
from touchstone.asking import Tally, Work, judge_all
from touchstone.cost import Plan, plan, spent_on
from touchstone.journal import ORDERS, Journal, Judgement
from touchstone.journal import read as read_journal
from touchstone.judges import Judge
from touchstone.options import Options, checked
from touchstone.settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What judging a task gave: its result, its judgements, and what became of the calls."""

    result: Result
    judged: Sequence[scores.Judged]
    tally: Tally
    spent: float | None

    @property
    def num_unasked(self) -> int:
        """Judgements that were not made and can be: by the next try, or with more money."""
        return sum(said is None for one in self.judged if one.answer is not None for said in one.judgements)


def judge(
    run: str | os.PathLike[str],
    options: Options | str,
    *,
    task: str | None = None,
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    agree: Callable[[str], bool] = lambda told: True,
    progress: bool = False,
) -> list[Verdict]:
    """Judges a run's answers, as far as they are not judged yet. The Python form of `touchstone judge`.

    Args:
        run: a run folder, or a file of answers with `out`.
        options: how to judge, or just the judge's name.
        task: only this task.
        data: the data root; default the one of the run.
        out: the run folder to make of a file of answers.
        agree: is shown what is about to be asked and what it costs; False spends nothing.
        progress: show a progress bar on stderr.

    Raises:
        UserError: anything that makes judging impossible, in one line.
    """
    chosen = Options(options) if isinstance(options, str) else options
    settings, make = chosen.settings(), checked(chosen)
    where = None if data is None else str(data)
    kept = None if out is None else Path(out)
    with tempfile.TemporaryDirectory() as trial:
        if chosen.dry_run and kept is not None:  # what is only told leaves no run behind
            there, kept = kept, Path(trial) / "run"
            if there.is_dir():
                shutil.copytree(there, kept)
        folder = _folder(Path(run), kept, task, where)
        found = read_run(folder, task, where)
        planned = [(answered, *_work(answered, settings)) for answered in found]
    told = plan([one.ask for _, work, _ in planned for one in work], sum(n for *_, n in planned), settings)
    if not agree(_told(told, settings, chosen)) or chosen.dry_run:
        return []
    before = sum(_spent_before(answered, settings, chosen.prices) for answered in found)
    budget = Budget(chosen.prices, chosen.max_cost, before)
    return [_judge(answered, settings, make, chosen, budget, progress) for answered in found]


def _folder(run: Path, out: Path | None, task: str | None, data: str | None) -> Path:
    """The run folder, made of a file of answers where one is given."""
    if run.is_file():
        if out is None:
            raise UserError(f"{run}: a file of answers needs --out DIR, the run folder to make of it")
        import_answers(run, out, task, data)
        return out
    if out is not None:
        raise UserError("--out is for a file of answers; what is said of a run is kept in its folder")
    return run


def _told(told: Plan, settings: Settings, options: Options) -> str:
    if settings.is_stub:
        return f"judge stub: {told.calls:,} judgements to make; word overlap, no judgement of quality"
    return told.told(settings, options.prices)


def _work(answered: Answered, settings: Settings) -> tuple[list[Work], int]:
    """The judgements to make, the two orders of a question together, and how many are there."""
    known = read_journal(answered.journal(settings.hash))
    work: list[Work] = []
    done = 0
    for item in answered.items:
        for order in ORDERS if item.answer is not None else ():
            key = item.key(settings, order)
            if (item.sample.id, order, key) in known:
                done += 1
            else:
                work.append(Work(item.sample.id, order, key, item.ask(order)))
    return work, done


def _judge(
    answered: Answered,
    settings: Settings,
    make: Callable[[Settings], Judge],
    options: Options,
    budget: Budget,
    progress: bool,
) -> Verdict:
    """One task judged; raises Stop, the numbers of what is there written before."""
    with Journal(answered.journal(settings.hash)) as journal:
        work, _ = _work(answered, settings)  # again, now that nobody else writes
        elsewhere = budget.spent - _spent_before(answered, settings, options.prices)
        tally = Tally()
        if work:
            from tqdm import tqdm

            quiet = not (progress and sys.stderr.isatty())
            with tqdm(total=len(work), desc=answered.stored.task.name, unit="call", disable=quiet) as bar:
                judging = judge_all(
                    work, make(settings), settings, journal, options.limits, budget, tally, bar.update
                )
                try:
                    asyncio.run(judging)
                except Stop:
                    if journal.judgements:  # a judge that never judged leaves no result
                        conclude(answered, settings, tally)
                    raise
    return conclude(answered, settings, tally, None if options.prices is None else budget.spent - elsewhere)


def _spent_before(answered: Answered, settings: Settings, prices: Prices | None) -> float:
    """What the judgements of a task's answers have cost so far."""
    judged = read_judged(answered, settings)
    return spent_on([said for one in judged for said in one.judgements if said is not None], prices)


def conclude(
    answered: Answered, settings: Settings, tally: Tally | None = None, spent: float | None = None
) -> Verdict:
    """The numbers of what is in the journal, written beside the run's own result."""
    judged = read_judged(answered, settings)
    verdict = Verdict(result(answered, judged, settings), judged, tally or Tally(), spent)
    suffix = settings.protocol
    rows = jsonl(row(one, verdict.tally.refused) for one in judged)
    write_all(
        {
            answered.folder / f"scores.{suffix}.jsonl": rows,
            answered.folder / f"result.{suffix}.json": json_text(verdict.result.to_json()),
        }
    )
    return verdict


def read_judged(answered: Answered, settings: Settings) -> list[scores.Judged]:
    """Every question with what the journal of this judge says of its answer."""
    known = read_journal(answered.journal(settings.hash))

    def said(item: Item, order: int) -> Judgement | None:
        if item.answer is None:
            return None
        return known.get((item.sample.id, order, item.key(settings, order)))

    return [
        scores.Judged(item.sample, item.answer, (said(item, 1), said(item, 2))) for item in answered.items
    ]


def result(answered: Answered, judged: Sequence[scores.Judged], settings: Settings) -> Result:
    """The numbers as the JSON a leaderboard reads; judge and prompt are the protocol of its scorer."""
    stored = answered.stored
    asked, dataset, task = stored.asked, stored.dataset, stored.task
    num_errors = sum(one.answer is None for one in judged)
    unasked = sum(said is None for one in judged if one.answer is not None for said in one.judgements)
    unreadable = sum(one.num_missing for one in judged if one.answer is not None) - unasked
    whole = len(judged) == dataset.num_rows and len(judged) == task.num_samples
    demo = dataset.root.demo or asked.model.demo or settings.is_stub
    return Result(
        task=task.name,
        version=task.version,
        model=asked.model.name,
        prompt_protocol=store.UNKNOWN_PROMPT if answered.imported else asked.prompt_protocol,
        score_protocol=settings.protocol,
        metrics=scores.metrics(judged),
        num_samples=len(judged),
        num_published=task.num_samples,
        num_unparsed=sum(one.answer is not None and one.mean is None for one in judged),
        num_errors=num_errors,
        complete=whole and not demo and num_errors == 0 and unasked == 0 and unreadable == 0,
        demo=demo,
        config={
            **asked.config,
            "data_sha256": dataset.sha256,
            "judge": {
                **settings.to_json(),
                "hash": settings.hash,
                "judgements": sum(len(one.readable) for one in judged),
                "unreadable": unreadable,
                "not_asked": unasked,
                "posing_answers": sum(one.answer is not None and prompts.poses(one.answer) for one in judged),
            },
        },
    )


def row(one: scores.Judged, refused: Mapping[tuple[str, int], str]) -> dict[str, Any]:
    """A row of scores.jsonl: the mean of the answer's judgements as a value of 0.1 to 1, and both of them.

    `refused` are the reasons of judgements, by sample and order, that this try was refused.
    """
    reasons = [
        f"order {order}: {refused[one.sample.id, order]}"
        for order in ORDERS
        if (one.sample.id, order) in refused
    ]
    said = [
        "not asked"
        if judgement is None
        else "unreadable"
        if judgement.answer is None
        else f"{judgement.answer:g} (reference {judgement.reference:g})"
        for judgement in one.judgements
    ]
    return {
        "id": one.sample.id,
        "value": None if one.mean is None else one.mean / 10,
        "answer": one.answer or "",
        "explanation": f"reference shown first: {said[0]}; answer shown first: {said[1]}",
        "error": "the model gave no answer" if one.answer is None else "; ".join(reasons) or None,
        "poses": one.answer is not None and prompts.poses(one.answer),
    }


def stored_settings(answered: Answered, wanted: str | None = None) -> Settings:
    """The judge of a run that was judged; `wanted` is its hash or how that begins, where there are several.

    The prompt's words are not in the folder, so this can read what was judged and ask nothing.

    Raises:
        UserError: none, or several.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(answered.folder.glob("result.judge-*.json")):
        fields = store.read_json(path).get("config", {}).get("judge")
        if not isinstance(fields, dict) or not isinstance(fields.get("hash"), str):
            raise DataError(path, "not the result of a judge; delete it and judge again")
        found[fields["hash"]] = fields
    fitting = {name: fields for name, fields in found.items() if name.startswith(wanted or "")}
    if len(fitting) != 1:
        told = ", ".join(f"{name} ({fields['model']})" for name, fields in found.items())
        raise UserError(
            f"{answered.folder}: {'several judges' if fitting else 'not judged'}"
            + (f" by '{wanted}'" if wanted and not fitting else "")
            + (f"; name one of {told}" if told else "; python -m touchstone judge RUN does it")
        )
    (fields,) = fitting.values()
    return Settings(
        fields["model"],
        _KnownPrompt(fields["prompt"], fields["prompt_sha256"]),
        fields["temperature"],
        fields["max_reply_tokens"],
        fields["repeat"],
        fields.get("base_url"),
    )


class _KnownPrompt(prompts.JudgePrompt):
    """A prompt of which only the hash is known."""

    def __init__(self, name: str, sha256: str):
        super().__init__(name, "", "")
        self.__dict__["sha256"] = sha256
