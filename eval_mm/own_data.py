"""Benchmarks of one's own without code: a file of canonical rows and the name of a metric.

`--task file:my.jsonl --metric anls` asks and judges the rows of a JSONL file (rows: the modules of
eval_mm/kinds). `--task caption --references FILE` takes captions in COCO's form, {"images": [{"id",
"file_name"}], "annotations": [{"image_id", "caption"}]}, or as a list of {"image", "captions"} objects;
`.gz` is unpacked. Pictures are relative to the data root: that of --data, else the folder of the file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from eval_mm.data import Row, json_lines, without_repeats
from eval_mm.errors import DataError, UserError
from eval_mm.files import unpacked
from eval_mm.kinds import caption, choice, grounding, short_answer
from eval_mm.kinds.short_answer import (
    ANLS,
    EXACT,
    GQA_OFFICIAL,
    GQA_QWEN_VL,
    RELAXED_OFFICIAL,
    RELAXED_QWEN_VL,
    VQA_OFFICIAL,
    VQA_QWEN_VL,
    VQA_TEXTVQA,
    Rule,
)
from eval_mm.metrics import NAMES
from eval_mm.schema import Sample, Task
from eval_mm.stats import mean_metric

PREFIX = "file:"
CAPTION = "caption"

PICTURES = ("file_name", "image", "image_name", "filename")
"""Keys that name a picture in a file of captions."""


@dataclass(frozen=True, slots=True)
class OwnData:
    """A file, and the metric that judges the answers to it; either may be missing on the command line."""

    path: str | None
    metric: str | None


class ShortAnswer(NamedTuple):
    """The name of the metric in results, the rules of `qwen-vl` and of the others, the most new tokens."""

    metric: str
    qwen_vl: Rule
    official: Rule
    max_new_tokens: int


SHORT_ANSWERS = {
    "vqa": ShortAnswer("vqa_accuracy", VQA_QWEN_VL, VQA_OFFICIAL, 10),
    "textvqa": ShortAnswer("vqa_accuracy", VQA_QWEN_VL, VQA_TEXTVQA, 10),
    "anls": ShortAnswer("anls", ANLS, ANLS, 100),
    "relaxed": ShortAnswer("relaxed_accuracy", RELAXED_QWEN_VL, RELAXED_OFFICIAL, 100),
    "exact": ShortAnswer("accuracy", EXACT, EXACT, 100),
    "gqa": ShortAnswer("accuracy", GQA_QWEN_VL, GQA_OFFICIAL, 10),
}
LEAST_ANNOTATORS = 4


def own_task(own: OwnData) -> Task:
    """The task of a file. Raises UserError where file or metric is missing or unknown."""
    if own.metric == CAPTION:
        if own.path is None:
            raise UserError("--task caption needs --references FILE, captions in COCO's form")
        path = Path(own.path).resolve()
        return replace(_task(CAPTION, path, "cider"), lines=caption_lines, own=_record(path, CAPTION))
    if own.metric not in NAMES:
        given = "" if own.metric is None else f", not '{own.metric}'"
        raise UserError(f"--task {PREFIX}PATH needs --metric, one of {', '.join(NAMES)}{given}")
    if not own.path:
        raise UserError(f"--task {PREFIX}PATH: the path is empty")
    path = Path(own.path).resolve()
    stem = "".join(char if char.isalnum() or char in "-_." else "_" for char in path.stem)
    return replace(_task(f"file-{stem}", path, own.metric), own=_record(path, own.metric))


def _record(path: Path, metric: str) -> Mapping[str, str]:
    return {"path": str(path), "metric": metric}


def _task(name: str, path: Path, metric: str) -> Task:
    if metric == "cider":
        return Task(
            name,
            str(path),
            None,
            caption.to_sample,
            caption.PROTOCOLS,
            caption.metrics,
            on_request=caption.ON_REQUEST,
            headline=caption.headline,
            needs="caption",
        )
    if metric == "box":
        return Task(
            name, str(path), None, grounding.to_sample, grounding.PROTOCOLS, mean_metric("accuracy@0.5")
        )
    if metric == "choice":
        return Task(
            name,
            str(path),
            None,
            choice.to_sample,
            (choice.ranked(), choice.INSTRUCT),
            mean_metric("accuracy"),
        )
    key, qwen_vl, official, max_new_tokens = SHORT_ANSWERS[metric]
    return Task(
        name,
        str(path),
        None,
        _annotated if key == "vqa_accuracy" else short_answer.to_sample,
        short_answer.protocols(max_new_tokens, qwen_vl, official),
        short_answer.anls_metrics if key == "anls" else mean_metric(key, short_answer.types_of),
    )


def _annotated(row: Row) -> Sample:
    """A vqa row with as many answers as VQA accuracy needs to give full marks."""
    sample = short_answer.to_sample(row)
    if len(sample.target) < LEAST_ANNOTATORS:
        raise row.error(
            "answers",
            f"expected at least {LEAST_ANNOTATORS}, since VQA accuracy asks for three others who agree; got "
            f"{len(sample.target)}; --metric exact compares with one",
        )
    return sample


def caption_lines(raw: bytes, path: Path) -> list[tuple[int, bytes]]:
    """A file of captions as canonical caption rows, numbered by picture; canonical rows as they are.

    Raises:
        DataError: no JSON, none of the forms, a caption of an unknown picture, a picture without captions.
    """
    raw = unpacked(raw, path)
    try:
        document = json.loads(raw, object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        lines = json_lines(raw, path)
        if len(lines) > 1:  # each is checked when it is read
            return lines
        raise DataError(path, f"not valid JSON: {error}") from None
    if isinstance(document, dict) and "annotations" in document:
        rows = _coco_rows(document, path)
    elif isinstance(document, list):
        rows = [_listed_row(item, number, path) for number, item in enumerate(document)]
    elif isinstance(document, dict) and "captions" in document:
        return json_lines(raw, path)
    else:
        raise DataError(path, "expected COCO's form (images, annotations) or a list with image and captions")
    return [(number, json.dumps(row).encode()) for number, row in enumerate(rows, 1)]


def _coco_rows(document: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for number, image in enumerate(_objects(document.get("images", []), path, "images")):
        name = _identifier(image, "id", path, f"images[{number}]")
        picture = next((image[key] for key in PICTURES if key in image), name)
        if name in rows:
            raise DataError(path, f"images[{number}]: the id {name} stands twice", field="id")
        rows[name] = {"id": name, "image": picture, "captions": []}
    listed = bool(rows)
    for number, note in enumerate(_objects(document["annotations"], path, "annotations")):
        name = _identifier(note, "image_id", path, f"annotations[{number}]")
        if listed and name not in rows:
            raise DataError(path, f"annotations[{number}]: no picture has the id {name}", field="image_id")
        row = rows.setdefault(name, {"id": name, "image": name, "captions": []})
        if not isinstance(note.get("caption"), str):
            raise DataError(path, f"annotations[{number}]: expected a text", field="caption")
        row["captions"].append(note["caption"])
    bare = next((name for name, row in rows.items() if not row["captions"]), None)
    if bare is not None:
        raise DataError(path, f"the picture {bare} has no caption", field="annotations")
    return list(rows.values())


def _listed_row(item: Any, number: int, path: Path) -> dict[str, Any]:
    key = next((key for key in PICTURES if isinstance(item, dict) and key in item), None)
    if key is None or "captions" not in item:
        raise DataError(path, f"item {number}: expected an object with image and captions")
    texts = item["captions"]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise DataError(path, f"item {number}: expected a list of at least one text", field="captions")
    name = str(item.get("id", Path(str(item[key])).stem))
    return {"id": name, "image": item[key], "captions": item["captions"]}


def _objects(value: Any, path: Path, field: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(path, "expected a list of objects", field=field)
    return value


def _identifier(item: dict[str, Any], key: str, path: Path, place: str) -> str:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise DataError(path, f"{place}: expected a whole number or text, got {value!r:.40}", field=key)
    return str(value)
