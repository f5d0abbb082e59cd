"""`prepare refcoco`: official files -> canonical rows, all or nothing."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data_scripts import commands
from data_scripts.__main__ import main
from data_scripts.benchmarks import all_benchmarks
from eval_mm import files
from eval_mm.data import DataRoot, load
from eval_mm.tasks.refcoco import TASKS
from tests.data_scripts.support import (
    converted_row,
    lines,
    read_jsonl,
    rec_row,
    run,
    tree,
    write_raw,
)

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "data"


def write_full(raw: Path) -> None:
    """All eight splits with their published counts, in the converted form."""
    for split in vars(commands)["all_benchmarks"]()["refcoco"].splits:
        write_raw(raw, f"{split.name}.jsonl", lines([converted_row(0)]) * (split.num_samples or 0))


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """RefCOCO with splits of four rows, where only whole or not whole matters."""
    refcoco = all_benchmarks()["refcoco"]
    small = replace(refcoco, splits=[replace(split, num_samples=4) for split in refcoco.splits])
    monkeypatch.setattr(commands, "all_benchmarks", lambda: {"refcoco": small})


def test_the_real_splits_are_whole_and_unchanged(real_refcoco: Path, out: Path, capsys: Capture) -> None:
    """Guards the numbers everything is compared with: a row lost, a box rounded, an expression tidied."""
    assert run(capsys, "prepare", "refcoco", "--raw", real_refcoco, "--out", out).code == 0
    for task in TASKS:
        data = load(task, DataRoot(out, demo=False))
        assert data.num_rows == task.num_samples
    first = read_jsonl(out / "refcoco/refcoco_val.jsonl")[0]
    assert first == {
        "id": "222",
        "image": "coco/train2014/COCO_train2014_000000580957.jpg",
        "expression": "bowl behind the others can only see part",
        "box": [468.3, 0.91, 640.0, 117.03],
        "width": 640,
        "height": 428,
    }
    with gzip.open(real_refcoco / "REC_refcocog_umd_val.jsonl.gz") as packed:
        official = [json.loads(line) for line in packed]
    prepared = read_jsonl(out / "refcocog/refcocog_val.jsonl")
    assert [(row["expression"], row["box"]) for row in prepared] == [
        (row["expression"], row["bbox"]) for row in official
    ]


def test_eight_full_splits_need_no_flag(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards the normal way of a user with Qwen-VL's files: all counts right, a table, exit 0."""
    write_full(raw)
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out)
    assert (ran.code, ran.err) == (0, "")
    assert "refcocog_test 9,602 9,602 1 0" in " ".join(ran.out.split())
    assert f"1 pictures are not there yet; they must lie in {out}/coco/train2014" in ran.out
    assert sorted(tree(out)) == sorted(task.path for task in TASKS)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("folder", ["", "refcoco/"])
@pytest.mark.parametrize(
    ("name", "make", "ids"),
    [
        ("REC_refcoco_unc_testA.jsonl", rec_row, ["1000", "1001", "1002"]),
        ("refcoco_testA.jsonl", converted_row, ["0", "1", "2"]),
        ("refcoco_testA.jsonl", rec_row, ["1000", "1001", "1002"]),
    ],
)
def test_both_forms_plain_and_packed(
    raw: Path, out: Path, capsys: Capture, suffix: str, folder: str, name: str, make: Any, ids: list[str]
) -> None:
    """Guards that both published forms give the same rows, wherever in --raw they lie and however packed."""
    raw.mkdir()
    write_raw(raw / folder, name + suffix, lines([make(index) for index in range(3)]))
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert ran.code == 0
    assert read_jsonl(out / "refcoco/refcoco_testA.jsonl") == [
        {
            "id": ids[index],
            "image": "coco/train2014/COCO_train2014_000000000000.jpg",
            "expression": f"thing {index} – «links»",
            "box": [1.5, 2.0, 30.25, 40.0],
            "width": 64,
            "height": 48,
        }
        for index in range(3)
    ]
    assert "warning: " in ran.err
    assert "3 rows, but the published refcoco_testA has 5657" in ran.err


def test_blank_lines_do_not_shift_row_numbers(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards ids made of row numbers: a blank line is no row, but it counts as a line in messages."""
    good = lines([converted_row(0)])
    path = write_raw(raw, "refcoco_val.jsonl", good + b"\n" + good + b"{}\n")
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert ran.code == 2
    assert f"{path}:4: field 'bbox': missing" in ran.err
    write_raw(raw, "refcoco_val.jsonl", good + b"\n" + good)
    assert run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial").code == 0
    assert [row["id"] for row in read_jsonl(out / "refcoco/refcoco_val.jsonl")] == ["0", "1"]


BAD = "expected 4 numbers [x1, y1, x2, y2] in pixels with x1 < x2 and y1 < y2"


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in rec_row(2).items() if key != field}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (without("img_path"), ":3: field 'img_path': missing; the row has bbox, expression"),
        (without("expression"), ":3: field 'expression': missing"),
        (without("bbox"), ":3: field 'bbox': missing"),
        (without("width"), ":3: field 'width': missing"),
        (without("sent_id"), ":3: field 'sent_id': missing"),
        (rec_row(2, bbox=[1, 2, 3]), f":3: field 'bbox': {BAD}, got [1, 2, 3]"),
        (rec_row(2, bbox=[30, 2, 30, 9]), f":3: field 'bbox': {BAD}, got [30, 2, 30, 9]"),
        (rec_row(2, bbox=[1, 2, 3, None]), f":3: field 'bbox': {BAD}, got [1, 2, 3, null]"),
        (rec_row(2, bbox=[1, 2, 3, float("nan")]), f":3: field 'bbox': {BAD}"),
        (rec_row(2, width=0), ":3: field 'width': expected a whole number above 0, got 0"),
        (rec_row(2, height="48"), ":3: field 'height': expected a whole number above 0, got \"48\""),
        (rec_row(2, expression=""), ":3: field 'expression': expected text that is not blank"),
        (rec_row(2, img_path=""), ":3: field 'img_path': expected the path of a picture"),
        (rec_row(2, img_path=".."), ":3: field 'img_path': expected the path of a picture"),
        (rec_row(2, img_path="a/.."), ":3: field 'img_path': expected the path of a picture"),
        (rec_row(2, img_path="..\\x.jpg"), ":3: field 'img_path': expected the path of a picture"),
        (rec_row(2, sent_id=1000), ":3: field 'sent_id': '1000' already stands on line 1"),
        (rec_row(2, sent_id="1000"), ":3: field 'sent_id': '1000' already stands on line 1"),
        (rec_row(2, sent_id=None), ":3: field 'sent_id': expected a string, got null"),
        (["no", "object"], ':3: expected a JSON object, got ["no", "object"]'),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(
    raw: Path, out: Path, capsys: Capture, row: Any, message: str
) -> None:
    """Guards against a benchmark that is silently a little wrong: each fault stops in one line, unwritten."""
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0), rec_row(1)]))
    path = write_raw(raw, "refcocog_test.jsonl", lines([rec_row(0), rec_row(1), row]))
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert (ran.code, ran.out) == (2, "")
    (error,) = (line for line in ran.err.splitlines() if not line.startswith("warning: "))
    assert error.startswith(f"error: {path}{message}")
    assert not out.exists()


TRUNCATED = gzip.compress(lines([rec_row(index) for index in range(2000)]), mtime=0)[:-4000]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": the file has no rows$"),
        (b"\n \n", ": the file has no rows$"),
        (lines([rec_row(i) for i in range(6)]) + b'{"img_path": \n', ":7: not valid JSON: "),
        (lines([rec_row(0)]) + b'{"expression": "caf\xe9"}\n', r":2: not UTF-8 text \(byte 20\)"),
        (TRUNCATED[:5], ": the gzip file is damaged or cut off"),
        (TRUNCATED, ": the gzip file is damaged or cut off"),
        (gzip.compress(b"", mtime=0)[:-8] + b"12345678", ": the gzip file is damaged or cut off"),
    ],
)
def test_an_unusable_file_is_named(
    raw: Path, out: Path, capsys: Capture, content: bytes, message: str
) -> None:
    """Guards what interrupted downloads leave behind: empty, cut off or other bytes; no traceback."""
    path = write_raw(raw, "refcoco_val.jsonl", content)
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert ran.code == 2
    (error,) = (line for line in ran.err.splitlines() if not line.startswith("warning: "))
    assert re.match(f"error: {re.escape(str(path))}{message}", error)
    assert not out.exists()


@pytest.mark.usefixtures("_small")
def test_a_wrong_count_is_an_error(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards against a number over part of a split that looks like one over the whole."""
    write_full(raw)
    path = write_raw(raw, "refcoco+_testB.jsonl", lines([converted_row(0)]) * 3)
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out)
    assert ran.code == 2
    assert ran.err.startswith(f"error: {path}: 3 rows, but the published refcoco+_testB has 4;")
    assert len(ran.err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.usefixtures("_small")
def test_a_missing_split_lists_what_was_looked_for(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards against preparing seven splits of eight unasked, and against a user guessing file names."""
    write_full(raw)
    (raw / "refcocog_val.jsonl").unlink()
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out)
    assert ran.code == 2
    assert "1 of 8 splits have no file" in ran.err
    assert "refcocog_val: refcocog_val.jsonl or REC_refcocog_umd_val.jsonl" in ran.err
    assert not out.exists()
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert ran.code == 0
    assert ran.err.startswith("warning: ")
    assert len(tree(out)) == 7


def test_an_empty_folder_is_an_error_even_if_partial(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards against --allow-partial turning a mistyped --raw into an empty success."""
    raw.mkdir()
    assert run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial").code == 2
    ran = run(capsys, "prepare", "refcoco", "--raw", raw / "no", "--out", out)
    assert ran == (2, "", f"error: --raw {raw}/no: no such folder; name the folder of the official files\n")


def test_two_sources_for_a_split_are_not_chosen_between(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards against silently taking one of two files whose ids differ."""
    write_raw(raw, "refcoco_val.jsonl", lines([converted_row(0)]))
    write_raw(raw, "REC_refcoco_unc_val.jsonl.gz", lines([rec_row(0)]))
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert ran.code == 2
    assert "refcoco_val: several files may be meant: " in ran.err
    assert f"{raw}/refcoco_val.jsonl (1 rows)" in ran.err


def test_a_source_is_never_overwritten(out: Path, capsys: Capture) -> None:
    """Guards the official files of users whose layout is ours: data/refcoco/refcoco_val.jsonl is both."""
    out.mkdir()
    path = write_raw(out / "refcoco", "refcoco_val.jsonl", lines([converted_row(0)]))
    before = path.read_bytes()
    ran = run(capsys, "prepare", "refcoco", "--raw", out, "--out", out, "--allow-partial")
    assert ran.code == 2
    assert f"{path} would be read and overwritten" in ran.err
    assert path.read_bytes() == before


def test_running_again_changes_nothing(out: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards idempotence, also where official and prepared files share a root."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    write_raw(out, "REC_refcoco_unc_val.jsonl", lines([rec_row(0), rec_row(1)]))
    command = ("prepare", "refcoco", "--raw", out, "--out", out, "--allow-partial", "--images", pictures)
    first = run(capsys, *command)
    before = tree(out)
    second = run(capsys, *command)
    assert (first.code, second.code) == (0, 0)
    assert tree(out) == before
    assert f"{out}/coco/train2014 already points to {pictures}" in second.out


def test_images_are_linked_and_counted(raw: Path, out: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards the link: absolute, so that it holds from any folder; its pictures are counted as present."""
    pictures = tmp_path / "my pictures"
    pictures.mkdir()
    (pictures / "COCO_train2014_000000000000.jpg").touch()
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(index) for index in range(4)]))
    ran = run(
        capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial", "--images", pictures
    )
    assert ran.code == 0
    link = out / "coco/train2014"
    assert link.is_symlink()
    assert link.readlink().is_absolute()
    assert "refcoco_val 4 10,834 2 1" in " ".join(ran.out.split())


def test_a_link_that_points_elsewhere_stays(raw: Path, out: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards a user's other pictures: an existing link is never turned, and no rows are written either."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (out / "coco").mkdir(parents=True)
    (out / "coco/train2014").symlink_to(one)
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial", "--images", other)
    assert ran.code == 2
    assert f"error: {out}/coco/train2014 points to {one}, not to {other}" in ran.err
    assert (out / "coco/train2014").readlink() == one
    assert tree(out) == {}


def test_a_real_folder_of_pictures_stays(raw: Path, out: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards pictures that already lie in place against being hidden by a link."""
    (out / "coco/train2014").mkdir(parents=True)
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    ran = run(
        capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial", "--images", tmp_path
    )
    assert ran.code == 0
    assert "is a real folder and was left as it is; --images was not used" in ran.out


def test_images_may_name_a_folder_above(raw: Path, out: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards against a link one folder too high, after which every picture is missing."""
    images = tmp_path / "coco"
    (images / "train2014").mkdir(parents=True)
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial", "--images", images)
    assert ran.code == 0
    assert (out / "coco/train2014").readlink() == images / "train2014"


def test_images_must_be_a_folder(raw: Path, out: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards against a link to nowhere, after which every picture is missing."""
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    no = tmp_path / "no"
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial", "--images", no)
    assert ran.code == 2
    assert "no such folder" in ran.err
    assert not out.exists()


def test_a_failed_write_leaves_what_was_there(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against eight files of which three are new: a full disk at the second changes nothing."""
    files.write_all({out / "a.jsonl": b"old", out / "b.jsonl": b"old"})
    write_bytes = Path.write_bytes

    def full_disk(self: Path, content: Any) -> int:
        if "b.jsonl" in self.name:
            raise OSError(28, "No space left on device", str(self))
        return write_bytes(self, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        files.write_all({out / "a.jsonl": b"new", out / "b.jsonl": b"new"})
    assert tree(out) == {"a.jsonl": b"old", "b.jsonl": b"old"}


def test_a_failed_write_leaves_no_link(
    raw: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Guards "nothing has been written": no link, no folder for one; the line tells the file's own name."""
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    (tmp_path / "pictures").mkdir()
    out.mkdir()
    write_bytes = Path.write_bytes

    def full_disk(self: Path, content: Any) -> int:
        write_bytes(self, content[:3])
        raise OSError(28, "No space left on device")  # a write tells no name at all

    command = ["prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_disk)
        ran = run(capsys, *command, "--images", tmp_path / "pictures")
    assert ran.code == 2
    full = f"error: {out}/refcoco/refcoco_val.jsonl: No space left on device; nothing was left half-written"
    assert ran.err.splitlines()[-1].startswith(full)
    assert list(out.iterdir()) == []
    assert "now points to" not in ran.out
    assert run(capsys, *command, "--images", tmp_path / "pictures").code == 0
    assert (out / "coco/train2014").is_symlink()


def test_a_folder_in_the_way_of_a_file(out: Path) -> None:
    """Guards against some new files and some old ones: a rename would fail after others were done."""
    files.write_all({out / "a.jsonl": b"old"})
    (out / "b.jsonl").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        files.write_all({out / "a.jsonl": b"new", out / "b.jsonl": b"new"})
    assert error.value.filename == str(out / "b.jsonl")
    assert tree(out) == {"a.jsonl": b"old"}


def test_a_folder_that_cannot_be_written_is_one_line(raw: Path, tmp_path: Path, capsys: Capture) -> None:
    """Guards against a traceback where the system refuses a file."""
    (tmp_path / "file").touch()
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", tmp_path / "file", "--allow-partial")
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == f"error: {tmp_path}/file/refcoco: Not a directory"


def test_prepared_rows_are_what_the_task_reads(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards the seam to the evaluation: its own reader takes every prepared row, odd separators included."""
    write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0, expression="a\u2028b\x85c"), rec_row(1)]))
    assert run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial").code == 0
    samples = load(TASKS[0], DataRoot(out, demo=False)).samples
    assert [sample.question for sample in samples] == ["a\u2028b\x85c", "thing 1 – «links»"]


def test_a_named_source_is_taken_whatever_its_name(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards the way out where names mislead: --source decides, and the form is still told by content."""
    write_raw(raw, "refcoco_val.jsonl", lines([converted_row(0)]))
    mine = write_raw(raw, "my own, file.txt.jsonl.gz", lines([rec_row(0), rec_row(1)]))
    command = ("prepare", "refcoco", "--raw", raw, "--out", out, "--allow-partial")
    assert run(capsys, *command, "--source", f"refcoco_val={mine}").code == 0
    assert [row["id"] for row in read_jsonl(out / "refcoco/refcoco_val.jsonl")] == ["1000", "1001"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("refcoco_val", "expected SPLIT=FILE with one of refcoco_val, refcoco_testA"),
        ("nosuch={file}", "expected SPLIT=FILE with one of refcoco_val"),
        ("refcoco_val={file}.no", "{file}.no: no such file"),
        ("refcoco_val=~nosuchuser/x", "~nosuchuser/x: no such file"),
        ("refcoco_val={file},{file}", "form 'REC' has 1 files, not 2"),
        ("refcoco_val={other}", "{other} is no file of form 'REC': the first row lacks 'img_path'"),
    ],
)
def test_a_wrong_source_is_one_line(raw: Path, out: Path, capsys: Capture, source: str, message: str) -> None:
    """Guards the option against a split, a file or a form that is not there."""
    file = write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    other = write_raw(raw, "other.jsonl", lines([{"caption": "x"}]))
    named = source.format(file=file, other=other)
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, "--source", named)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert message.format(file=file, other=other) in ran.err
    assert not out.exists()


def test_a_source_named_twice_is_refused(raw: Path, out: Path, capsys: Capture) -> None:
    """Guards against the last of two files winning without a word."""
    file = write_raw(raw, "refcoco_val.jsonl", lines([rec_row(0)]))
    twice = ("--source", f"refcoco_val={file}") * 2
    ran = run(capsys, "prepare", "refcoco", "--raw", raw, "--out", out, *twice)
    assert ran.code == 2
    assert "refcoco_val is named twice" in ran.err


def test_fetched_pictures_are_linked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fetch` unpacks them beside the annotations: without a link every answer would be an error."""
    raw = tmp_path / "downloads/textvqa"
    (raw / "train_images").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(raw / "train_images/a.jpg")
    row = {"question": "Q?", "question_id": 1, "image_id": "a", "answers": ["x"] * 10}
    (raw / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": [row]}), encoding="utf-8")
    command = ["prepare", "textvqa", "--raw", str(raw), "--out", str(tmp_path / "data"), "--allow-partial"]
    assert main(command) == 0
    assert (tmp_path / "data/textvqa/train_images").resolve() == (raw / "train_images").resolve()
    assert main(command) == 0, "a second time nothing is in the way"


def test_fewer_rows_do_not_replace_more_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slice prepared over the whole split would halve a benchmark unseen."""
    rows = [{"question": "Q?", "question_id": n, "image_id": "a", "answers": ["x"] * 10} for n in range(3)]
    command = [
        "prepare",
        "textvqa",
        "--raw",
        str(tmp_path),
        "--out",
        str(tmp_path / "data"),
        "--allow-partial",
    ]
    for kept in (3, 1):
        (tmp_path / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": rows[:kept]}), encoding="utf-8")
        assert main(command) == 0
    assert "textvqa_val.jsonl: 1 rows replace 3" in capsys.readouterr().err
