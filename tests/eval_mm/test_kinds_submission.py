"""Files for evaluation servers: which ids are numbers, and boxes no file can hold."""

import io
import json
import zipfile

import pytest

from eval_mm.kinds.submission import answers_by, grit
from eval_mm.schema import Context, ModelInfo, Prediction, Sample

CONTEXT = Context(ModelInfo("m"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("42", 42),
        ("0", 0),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, "9" * 19),
        ("9" * 5000, "9" * 5000),
        ("007", "007"),
        ("٣", "٣"),
        ("²", "²"),
        ("-1", "-1"),
        ("7x", "7x"),
    ],
)
def test_ids_that_are_numbers(name: str, wanted: int | str) -> None:
    """The id "007" became 7, another id, and 5,000 digits a ValueError after every answer was paid for."""
    (content,) = answers_by("questionId").write([Sample(name, (), "")], [Prediction(name, "x")], CONTEXT)
    assert json.loads(content) == [{"questionId": wanted, "answer": "x"}]


def test_a_box_beyond_all_numbers() -> None:
    """Infinite pixels cannot be rounded: the answer counts as one without a box."""
    sample = Sample("7", (), "", metadata={"width": 5000, "height": 5000})
    answer = Prediction("7", f"({'9' * 308},1),({'9' * 308},3)")
    (content,) = grit("refexp").write([sample], [answer], CONTEXT)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (row,) = json.loads(archive.read("test/refexp.json"))
    assert (row["confidence"], row["bboxes"]) == (0.0, [[0, 0, 0, 0]])
