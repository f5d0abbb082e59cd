"""Files for the evaluation servers of benchmarks whose answers are not public."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from eval_mm.files import ESCAPES
from eval_mm.kinds.grounding import box_in_pixels
from eval_mm.metrics import box
from eval_mm.schema import Context, Prediction, Sample, Submission


def answers_by(id_key: str) -> Submission:
    """`[{<id_key>: id, "answer": text}]`; ids that are whole numbers are numbers, as the server has them.

    "007" and digits of other scripts stay text, which a number would not give back, and so do more than 18
    digits, which JSON readers round.
    """
    return _answers(id_key, lambda sample: _number_or_text(sample.id))


def _number_or_text(name: str) -> int | str:
    is_number = len(name) <= 18 and name.isdecimal() and str(int(name)) == name
    return int(name) if is_number else name


def answers_by_picture(key: str) -> Submission:
    """`[{<key>: picture's file name, "answer": text}]`."""
    return _answers(key, lambda sample: PurePosixPath(sample.images[0].path).name)


def grit(task: str) -> Submission:
    """A zip of `<subset>/<task>.json`, boxes in whole pixels, and `<subset>/params.json`.

    Format: https://github.com/allenai/grit_official/blob/main/submission_format.md. The subset is `ablation`
    or `test`, as the rows say; `test` where they say none. The confidence is 1 where a box was read and 0,
    with an empty box, where none was. params.json holds the model's number of parameters in millions and is
    left out where that is not known.
    """

    def write(
        samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
    ) -> tuple[bytes, ...]:
        rows: dict[str, list[dict[str, object]]] = {}
        for sample, prediction in zip(samples, predictions, strict=True):
            found = box_in_pixels(box.read_any, sample, prediction, context)
            corners = [round(side) for side in found[0]] if found else [0, 0, 0, 0]
            rows.setdefault(sample.metadata.get("subset", "test"), []).append(
                {"example_id": sample.id, "confidence": 1.0 if found else 0.0, "bboxes": [corners]}
            )
        files: dict[str, object] = {}
        for subset, answers in rows.items():
            files[f"{subset}/{task}.json"] = answers
            if context.model.parameters is not None:
                files[f"{subset}/params.json"] = {"params_in_millions": round(context.model.parameters / 1e6)}
        return (_zip({name: json.dumps(value) for name, value in files.items()}),)

    return Submission(("submission.zip",), write)


def _answers(key: str, name: Callable[[Sample], int | str]) -> Submission:
    def write(
        samples: Sequence[Sample], predictions: Sequence[Prediction], context: Context
    ) -> tuple[bytes, ...]:
        pairs = zip(samples, predictions, strict=True)
        rows = [{key: name(sample), "answer": prediction.text.strip()} for sample, prediction in pairs]
        return (json.dumps(rows, ensure_ascii=False).encode("utf-8", ESCAPES),)

    return Submission(("submission.json",), write)


def _zip(texts: dict[str, str]) -> bytes:
    """A zip whose bytes depend on its content alone: no times."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()
