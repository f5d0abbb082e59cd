"""A result.json from disk, every field checked: a report reads files that others wrote, or half wrote."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval_mm.errors import DataError
from eval_mm.schema import Metric, Metrics, Result
from eval_mm.store import read_json

TEXTS = ("task", "model", "prompt_protocol", "score_protocol")
COUNTS = ("version", "num_samples", "num_unparsed", "num_errors")
FLAGS = ("complete", "demo")
PERCENTAGES = (
    *("accuracy", "accuracy@0.5", "vqa_accuracy", "relaxed_accuracy", "anls", "anls_strict"),
    *("circular_accuracy", "vanilla_accuracy", "majority_accuracy"),
)
MOST = dict.fromkeys(PERCENTAGES, 100.0) | {
    "cider": 1000.0,
    "mme_perception": 2000.0,
    "mme_cognition": 800.0,
    "touchstone_score": 1000.0,
}
"""The greatest value of a headline number; the least is 0. Parts of percentages are percentages."""

ROUNDING = 1e-9
"""What of a value may lie beyond its scale or interval, as a part of it: the last digits of a sum."""

FIELDS = (*TEXTS, *COUNTS, *FLAGS, "num_published", "metrics", "config")


def read_result(path: Path) -> Result:
    """The result in a file.

    Numbers are as they stand there. Fields that this version does not know are left out.

    Raises:
        UserError: no file that can be read; DataError, naming the field: no result of this version, or one
            that no scoring can have made.
    """
    fields = read_json(path)
    for name in FIELDS:
        if name not in fields:
            raise DataError(path, "is missing: no result of this version", field=name)
    for name in TEXTS:
        _demand(isinstance(fields[name], str), path, name, "a text", fields[name])
    for name in COUNTS:
        _demand(_is_count(fields[name]), path, name, "a whole number", fields[name])
    for name in FLAGS:
        _demand(isinstance(fields[name], bool), path, name, "true or false", fields[name])
    total = fields["num_samples"]
    _demand(total > 0, path, "num_samples", "at least 1", total)
    for name in ("num_unparsed", "num_errors"):
        _demand(fields[name] <= total, path, name, f"at most {total:,}, the number of samples", fields[name])
    answered = total - fields["num_errors"]
    _agree(
        fields["num_unparsed"] <= answered,
        path,
        "num_unparsed",
        fields["num_unparsed"],
        f"{answered:,} answered",
    )
    published = fields["num_published"]
    _demand(published is None or _is_count(published), path, "num_published", "a whole number", published)
    if fields["complete"]:
        _agree(not fields["num_errors"], path, "complete", "true", f"num_errors {fields['num_errors']:,}")
        _agree(
            total == (published or total),
            path,
            "complete",
            "true",
            f"{total:,} of {published or 0:,} samples",
        )
    _check_config(fields["config"], path)
    return Result(**{name: fields[name] for name in FIELDS} | {"metrics": _metrics(fields["metrics"], path)})


def _metrics(found: Any, path: Path) -> Metrics:
    _demand(isinstance(found, dict), path, "metrics", "an object", found)
    metrics = {}
    for name, metric in found.items():
        place = f"metrics.{name}"
        _demand(isinstance(metric, dict), path, place, "an object", metric)
        value, stderr, ci95 = (metric.get(key) for key in ("value", "stderr", "ci95"))
        _demand(_is_number(value), path, f"{place}.value", "a finite number", value)
        known = stderr is None or (_is_number(stderr) and stderr >= 0)
        _demand(known, path, f"{place}.stderr", "a finite number from 0, or null", stderr)
        pair = isinstance(ci95, list) and len(ci95) == 2 and all(map(_is_number, ci95))
        _demand(ci95 is None or pair, path, f"{place}.ci95", "two finite numbers, or null", ci95)
        if ci95 is not None:
            low, high = (f"{end:.6g}" for end in ci95)
            _agree(_within(value, *ci95), path, f"{place}.value", value, f"its interval {low} to {high}")
        if (most := _most(name)) is not None:
            _agree(_within(value, 0.0, most), path, f"{place}.value", value, f"its scale 0 to {most:.0f}")
        metrics[name] = Metric(value, stderr, None if ci95 is None else (ci95[0], ci95[1]))
    return metrics


def _most(name: str) -> float | None:
    """The end of a metric's scale, None where that is not known here."""
    whole, _, part = name.partition("/")
    return MOST.get(whole) if not part or whole in PERCENTAGES else None


def _within(value: float, low: float, high: float) -> bool:
    spare = ROUNDING * max(1.0, abs(low), abs(high))
    return low - spare <= value <= high + spare


def _check_config(config: Any, path: Path) -> None:
    """The parts of `config` that reports read; the rest is only shown."""
    _demand(isinstance(config, dict), path, "config", "an object", config)
    for name in ("selection", "few_shot", "judge", "settings"):
        part = config.get(name)
        _demand(part is None or isinstance(part, dict), path, f"config.{name}", "an object or null", part)
    shots = (config.get("few_shot") or {"shots": 0}).get("shots")
    _demand(_is_count(shots), path, "config.few_shot.shots", "a whole number", shots)
    judge = (config.get("judge") or {"model": ""}).get("model")
    _demand(isinstance(judge, str), path, "config.judge.model", "a text", judge)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_number(value: Any) -> bool:
    """A number that arithmetic and formatting take: JSON knows NaN and integers beyond any float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _demand(holds: bool, path: Path, field: str, expected: str, found: Any) -> None:
    if not holds:
        kind = "an object" if isinstance(found, Mapping) else "a list" if isinstance(found, list) else None
        shown = kind or repr(found)
        raise DataError(
            path, f"expected {expected}, got {shown if len(shown) <= 60 else shown[:60] + '...'}", field=field
        )


def _agree(holds: bool, path: Path, field: str, found: Any, other: str) -> None:
    """Raises DataError for what scoring cannot have written: somebody changed the file."""
    if not holds:
        raise DataError(
            path,
            f"{found} contradicts {other}; python -m eval_mm check {path.parent.parent} tells more",
            field=field,
        )
