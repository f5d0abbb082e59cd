"""The whole way on real rows: prepare, run, score."""

import json
from pathlib import Path

import pytest
from PIL import Image

from data_scripts.__main__ import main as data_scripts
from eval_mm import tasks
from eval_mm.cli import main

PICTURE = "COCO_train2014_000000581857.jpg"


def test_real_rows_with_one_picture(
    real_refcoco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows whose picture is there are answered; every missing picture is that sample's error; exit code 3.

    The one real picture at hand belongs to RefCOCO's training split, which no task asks about. So it stands
    in, under its name, for the picture of the first real rows.
    """
    source, pictures = tmp_path / "data", tmp_path / "pictures"
    pictures.mkdir()
    arguments = ["prepare", "refcoco", "--raw", str(real_refcoco), "--out", str(source)]
    assert data_scripts([*arguments, "--images", str(pictures)]) == 0
    counts = {}
    for task in tasks.resolve(["refcoco,refcoco+,refcocog"]):
        counts[task.name] = len((source / task.path).read_text(encoding="utf-8").splitlines())
    assert counts == {name: tasks.get(name).num_samples for name in counts}
    rows = [json.loads(line) for line in (source / "refcoco/refcoco_testA.jsonl").open(encoding="utf-8")][:40]
    shown = Path(rows[0]["image"]).name
    with Image.open(real_refcoco / "images" / PICTURE) as picture:
        picture.save(pictures / shown)
    capsys.readouterr()
    command = ["run", "--task", "refcoco_testA", "--limit", "40", "--data", str(source)]
    assert main([*command, "--out", str(tmp_path / "run")]) == 3
    shown_rows = {row["id"] for row in rows if Path(row["image"]).name == shown}
    assert 0 < len(shown_rows) < 40
    for line in (tmp_path / "run/refcoco_testA/predictions.rank0.jsonl").open(encoding="utf-8"):
        answer = json.loads(line)
        assert (answer["error"] is None) == (answer["id"] in shown_rows)
        if answer["error"] is None:
            assert answer["text"]
        else:
            assert "COCO_train2014" in answer["error"]
    result = json.loads((tmp_path / "run/refcoco_testA/result.json").read_text(encoding="utf-8"))
    assert (result["num_samples"], result["num_errors"]) == (40, 40 - len(shown_rows))
    assert result["complete"] is False
    assert "they count as wrong" in capsys.readouterr().err
