"""`check refcoco`: rows and pictures of a data root."""

from pathlib import Path

import pytest
from PIL import Image

from eval_mm.tasks.refcoco import TASKS
from tests.data_scripts.support import Fields, lines, run, write_raw

Capture = pytest.CaptureFixture[str]


def canonical(index: int, **changes: object) -> Fields:
    return {
        "id": str(index),
        "image": f"coco/train2014/{index}.jpg",
        "expression": f"thing {index}",
        "box": [0, 0, 64, 48],
        "width": 64,
        "height": 48,
    } | changes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A root with one split of three rows and their three pictures, all right."""
    (tmp_path / "coco/train2014").mkdir(parents=True)
    for index in range(3):
        Image.effect_noise((64, 48), 50).convert("RGB").save(tmp_path / f"coco/train2014/{index}.jpg")
    write_rows(tmp_path, [canonical(index) for index in range(3)])
    return tmp_path


def write_rows(data: Path, rows: list[Fields], blank: bytes = b"") -> Path:
    return write_raw(data / "refcoco", "refcoco_val.jsonl", blank + lines(rows))


def check(capsys: Capture, data: Path) -> tuple[int, str]:
    """Exit code and findings, columns one blank apart."""
    ran = run(capsys, "check", "refcoco", "--data", data, "--allow-partial")
    return ran.code, "\n".join(" ".join(line.split()) for line in ran.out.splitlines())


def test_all_right(data: Path, capsys: Capture) -> None:
    """Guards against a check that finds faults in sound data."""
    code, text = check(capsys, data)
    assert code == 0
    assert "refcoco_val 3 10,834 3 0 0 0 ok" in text


def test_progress_goes_to_stderr(data: Path, capsys: Capture) -> None:
    """Guards `check > findings.txt`: the bar with its rate must not end up in the table."""
    ran = run(capsys, "check", "refcoco", "--data", data, "--allow-partial")
    assert "pictures: 100%" in ran.err
    assert "img/s" in ran.err
    assert "%" not in ran.out


def test_the_demo_data_passes(capsys: Capture) -> None:
    """Guards the bundled data, which has its own counts and needs no flag."""
    assert run(capsys, "check", "refcoco", "--data", "demo").code == 0


def test_missing_truncated_and_wrongly_sized_pictures(data: Path, capsys: Capture) -> None:
    """Guards what a run would stumble over after hours; each picture is named with its row and its fault."""
    folder = data / "coco/train2014"
    (folder / "0.jpg").unlink()
    (folder / "1.jpg").write_bytes((folder / "1.jpg").read_bytes()[:-600])
    Image.new("RGB", (48, 64)).save(folder / "2.jpg")
    path = write_rows(data, [canonical(index) for index in range(3)], blank=b"\n")
    code, text = check(capsys, data)
    assert code == 3
    assert f"{path}:2: coco/train2014/0.jpg: missing" in text
    assert f"{path}:3: coco/train2014/1.jpg: cannot be decoded: image file is truncated" in text
    assert f"{path}:4: coco/train2014/2.jpg: the picture has 48 x 64 pixels, the row says 64 x 48" in text
    assert "refcoco_val 3 10,834 3 1 2 0 pictures unfit" in text


def test_bytes_that_are_no_picture(data: Path, capsys: Capture) -> None:
    """Guards against a decoder's own kinds of error: saved error pages, empty files, a folder."""
    folder = data / "coco/train2014"
    (folder / "0.jpg").write_text("<html>404</html>")
    (folder / "1.jpg").write_bytes(b"")
    (folder / "2.jpg").unlink()
    (folder / "2.jpg").mkdir()
    code, text = check(capsys, data)
    assert code == 3
    assert text.count("cannot be decoded") == 3


def test_exif_orientation_is_ignored(data: Path, capsys: Capture) -> None:
    """Guards boxes of turned photographs: annotations belong to the pixels as stored."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (64, 48)).save(data / "coco/train2014/0.jpg", exif=exif)
    assert check(capsys, data)[0] == 0


def test_ten_problems_are_named_and_the_rest_counted(data: Path, capsys: Capture) -> None:
    """Guards a terminal against 1,500 lines where the folder of pictures is simply absent."""
    write_rows(data, [canonical(index) for index in range(30)])
    code, text = check(capsys, data)
    assert code == 3
    assert text.count(": missing") == 10
    assert "refcoco_val: 17 more problems" in text


def test_a_picture_of_many_rows_is_one_problem(data: Path, capsys: Capture) -> None:
    """Guards counts per distinct picture: seven expressions on a lost picture are one lost picture."""
    write_rows(data, [canonical(index, image="coco/train2014/lost.jpg") for index in range(7)])
    assert "refcoco_val 7 10,834 1 1 0 0 pictures unfit" in check(capsys, data)[1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (canonical(1, id="0"), ":2: field 'id': '0' already stands on line 1"),
        (
            canonical(1, box=[0, 0, 65, 48]),
            ":2: field 'box': [0.0, 0.0, 65.0, 48.0] leaves the picture of 64 x 48",
        ),
        (canonical(1, box=[-1, 0, 6, 4]), ":2: field 'box': [-1.0, 0.0, 6.0, 4.0] leaves the picture"),
        (canonical(1, box=[6, 0, 6, 4]), ":2: field 'box': expected 4 numbers"),
        (canonical(1, image="../secret.jpg"), ":2: field 'image': expected a path relative to the data root"),
    ],
)
def test_unusable_rows_exit_2(data: Path, capsys: Capture, row: Fields, message: str) -> None:
    """Guards that bad rows outrank bad pictures in the exit code and are named by line and field."""
    path = write_rows(data, [canonical(0, image="coco/train2014/lost.jpg"), row])
    code, text = check(capsys, data)
    assert code == 2
    assert f"{path}{message}" in text


def test_rounding_at_the_border_is_no_fault(data: Path, capsys: Capture) -> None:
    """Guards against reporting COCO's own rounding of x + width."""
    write_rows(data, [canonical(0, box=[0, 0, 64.01, 48.01])])
    assert check(capsys, data)[0] == 0


def test_missing_splits_and_wrong_counts_exit_2(data: Path, capsys: Capture) -> None:
    """Guards that only the whole benchmark passes unless one is lenient, and that all splits are read."""
    ran = run(capsys, "check", "refcoco", "--data", data)
    assert ran.code == 2
    assert "refcoco_val.jsonl: 3 rows, but the published split has 10834" in ran.out
    assert ran.out.count("no such file") == len(TASKS) - 1


@pytest.mark.parametrize("flags", [[], ["--allow-partial"]])
def test_a_root_without_rows(tmp_path: Path, capsys: Capture, flags: list[str]) -> None:
    """Guards against "all right" where nothing was looked at."""
    assert run(capsys, "check", "refcoco", "--data", tmp_path, *flags).code == 2
    ran = run(capsys, "check", "refcoco", "--data", tmp_path / "no", *flags)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)


def vqa(index: int, **changes: object) -> Fields:
    return {
        "id": str(index),
        "image": f"coco/val2014/{index}.jpg",
        "question": "What is it?",
        "answers": ["net"] * 10,
    } | changes


@pytest.fixture
def okvqa(tmp_path: Path) -> Path:
    """OK-VQA with one question and one training row about the same picture."""
    (tmp_path / "coco/val2014").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "coco/val2014/0.jpg")
    write_raw(tmp_path / "okvqa", "okvqa_val.jsonl", lines([vqa(0)]))
    write_raw(tmp_path / "okvqa", "okvqa_train.jsonl", lines([vqa(0)]))
    return tmp_path


def check_okvqa(capsys: Capture, data: Path, *flags: str) -> tuple[int, str]:
    ran = run(capsys, "check", "okvqa", "--data", data, *flags)
    return ran.code, "\n".join(" ".join(line.split()) for line in ran.out.splitlines())


def test_training_rows_are_checked_too(okvqa: Path, capsys: Capture) -> None:
    """Guards few-shot runs, which would find a bad training row only at the model."""
    code, text = check_okvqa(capsys, okvqa, "--allow-partial")
    assert (code, "okvqa_train 1 - 1 0 0 0 ok" in text) == (0, True)
    path = write_raw(okvqa / "okvqa", "okvqa_train.jsonl", lines([vqa(0), vqa(1, answers=[])]))
    code, text = check_okvqa(capsys, okvqa, "--allow-partial")
    assert code == 2
    assert f"{path}:2: field 'answers': expected a list of at least one string" in text
    path.unlink()
    assert "okvqa_train" not in check_okvqa(capsys, okvqa, "--allow-partial")[1]


def test_rows_that_cannot_be_scored_are_bad(okvqa: Path, capsys: Capture) -> None:
    """Guards a split with public answers against rows without them."""
    bare = vqa(0)
    del bare["answers"]
    path = write_raw(okvqa / "okvqa", "okvqa_val.jsonl", lines([bare]))
    code, text = check_okvqa(capsys, okvqa, "--allow-partial")
    assert code == 2
    assert f"{path}:1: field 'answers': missing" in text


def test_benchmarks_share_pictures(okvqa: Path, capsys: Capture) -> None:
    """Guards one folder of COCO for all: a picture that two benchmarks name lies once."""
    write_raw(okvqa / "vqav2", "vqav2_val.jsonl", lines([vqa(5, image="coco/val2014/0.jpg")]))
    ran = run(capsys, "check", "vqav2", "--data", okvqa, "--allow-partial")
    assert ran.code == 0
