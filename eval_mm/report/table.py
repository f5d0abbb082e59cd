"""Results as a plain text table, for the terminal."""

from collections.abc import Sequence

from eval_mm.console import align
from eval_mm.report.published import REFERENCE_MODEL, reference_figures
from eval_mm.schema import Result

HEADER = (
    "model",
    "task",
    "metric",
    "value",
    "± stderr",
    "n",
    "unparsed",
    "errors",
    "seconds",
    REFERENCE_MODEL,
    "note",
)
LEFT = {0, 1, 2, 10}


def results_table(results: Sequence[Result], seconds: Sequence[float | None]) -> str:
    """One line per result: headline metric, error bar, counts, and the published figure of the split."""
    rows = [HEADER] + [_row(result, time) for result, time in zip(results, seconds, strict=True)]
    return align(rows, LEFT)


def _row(result: Result, seconds: float | None) -> tuple[str, ...]:
    name, metric = next(iter(result.metrics.items()), ("not public", None))
    few_shot = result.config.get("few_shot")
    published = None if few_shot else reference_figures().get((result.task, name))
    return (
        result.model,
        result.task,
        name,
        "-" if metric is None else f"{metric.value:.2f}",
        "" if metric is None or metric.stderr is None else f"{metric.stderr:.2f}",
        f"{result.num_samples:,}",
        f"{result.num_unparsed:,}",
        f"{result.num_errors:,}",
        "" if seconds is None else f"{seconds:.1f}",
        "" if published is None else f"{published:.2f}",
        _note(result),
    )


def _note(result: Result) -> str:
    """What keeps this number from standing beside a published one."""
    notes = ["DEMO"] if result.demo else []
    if result.num_samples != (result.num_published or result.num_samples):
        notes.append(f"partial: {result.num_samples:,} of {result.num_published:,}")
    elif not result.complete and not result.demo:
        notes.append("with errors" if result.num_errors else "partial")
    if result.config.get("few_shot"):
        notes.append(f"{result.config['few_shot']['shots']}-shot")
    if result.prompt_protocol != result.score_protocol:
        notes.append(f"prompt {result.prompt_protocol}, scorer {result.score_protocol}")
    else:
        notes.append(result.score_protocol)
    return ", ".join(notes)
