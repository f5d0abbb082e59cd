"""The real files of every benchmark, prepared as they are: published counts, rows known from elsewhere."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from eval_mm import tasks
from eval_mm.data import DataRoot, load
from tests.conftest import SHARED
from tests.data_scripts.benchmarks.support import Capture, error_of
from tests.data_scripts.support import Ran, read_jsonl, run

REAL = SHARED / "real_data"


def real(folder: str) -> Path:
    """A folder of real files; the test is skipped where it is absent."""
    path = REAL / folder
    if not path.is_dir():
        pytest.skip(f"needs the real files in {path}, which may not be redistributed")
    return path


def prepare(capsys: Capture, name: str, folder: str, out: Path, *flags: object) -> Ran:
    return run(capsys, "prepare", name, "--raw", real(folder), "--out", out, *flags)


def content(path: Path) -> Any:
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


PARTIAL = "--allow-partial"


@pytest.mark.parametrize(
    ("name", "flags", "counts"),
    [
        ("chartqa", (), {"chartqa_test_human": 1_250, "chartqa_test_augmented": 1_250}),
        ("textvqa", (), {"textvqa_val": 5_000}),
        ("gqa", (), {"gqa_testdev": 12_578}),
        ("ai2d", (), {"ai2d_test": 3_088}),
        ("flickr30k", (), {"flickr30k_test": 1_000}),
        ("docvqa", (PARTIAL,), {"docvqa_val": 5_349}),
        ("vizwiz", (PARTIAL,), {"vizwiz_val": 4_319}),
        ("vqav2", (PARTIAL,), {"vqav2_val": 2_962}),
        ("ocrvqa", (PARTIAL,), {"ocrvqa_test": 5_000}),
    ],
)
def test_real_files_work_as_they_are(
    tmp_path: Path, capsys: Capture, name: str, flags: tuple[str, ...], counts: dict[str, int]
) -> None:
    """Guards the command a user types: the right files are found, every row is read by the task's reader."""
    ran = prepare(capsys, name, name, tmp_path, *flags)
    assert ran.code == 0, ran.err
    for task, count in counts.items():
        assert load(tasks.get(task), DataRoot(tmp_path, demo=False)).num_rows == count
    assert len(list(tmp_path.rglob("*.jsonl"))) == len(counts)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "okvqa",
            "OpenEnded_mscoco_val2014_questions.json is there, but not mscoco_val2014_annotations.json",
        ),
        ("nocaps", "expected a list under 'annotations', the object has images, info, licenses"),
    ],
)
def test_what_real_files_lack_is_said(tmp_path: Path, capsys: Capture, name: str, message: str) -> None:
    """Guards questions and pictures without answers and captions: what is missing has a name."""
    assert message in error_of(prepare(capsys, name, name, tmp_path, PARTIAL))
    assert list(tmp_path.iterdir()) == []


def test_okvqa_questions_join_any_annotations(tmp_path: Path, capsys: Capture) -> None:
    """Guards all 5,046 real questions of OK-VQA, with made-up answers since no real ones are here."""
    questions = real("okvqa") / "OpenEnded_mscoco_val2014_questions.json"
    ten = [{"answer": "x", "raw_answer": "y", "answer_confidence": "yes", "answer_id": k} for k in range(10)]
    notes = [
        {"question_id": row["question_id"], "answers": ten}
        for row in reversed(content(questions)["questions"])
    ]
    made_up = tmp_path / "mscoco_val2014_annotations.json"
    made_up.write_text(json.dumps({"annotations": notes}))
    source = f"okvqa_val={questions},{made_up}"
    assert run(capsys, "prepare", "okvqa", "--raw", tmp_path, "--out", tmp_path, "--source", source).code == 0
    first = read_jsonl(tmp_path / "okvqa/okvqa_val.jsonl")[0]
    assert (first["id"], first["answers"]) == ("2971475", ["x"] * 10)


def test_textvqa_keeps_every_answer(tmp_path: Path, capsys: Capture) -> None:
    """Guards references: all ten as written, blank and odd ones too, beside the right question."""
    assert prepare(capsys, "textvqa", "textvqa", tmp_path).code == 0
    noted = content(real("textvqa") / "val_annotations_vqa_format.json.gz")["annotations"]
    expected = {str(row["question_id"]): [one["answer"] for one in row["answers"]] for row in noted}
    found = read_jsonl(tmp_path / "textvqa/textvqa_val.jsonl")
    assert {row["id"]: row["answers"] for row in found} == expected


def test_textvqa_official_rows_are_the_same(tmp_path: Path, capsys: Capture) -> None:
    """Guards that open_flamingo's form and the official one give the same rows, where both have them."""
    assert prepare(capsys, "textvqa", "textvqa", tmp_path / "whole").code == 0
    assert prepare(capsys, "textvqa", "textvqa/hf_dummy", tmp_path / "part", PARTIAL).code == 0
    whole = {row["id"]: row for row in read_jsonl(tmp_path / "whole/textvqa/textvqa_val.jsonl")}
    part = read_jsonl(tmp_path / "part/textvqa/textvqa_val.jsonl")
    assert len(part) == 5
    assert [whole[row["id"]] for row in part] == part


def test_docvqa_official_rows_are_the_same(tmp_path: Path, capsys: Capture) -> None:
    """Guards that Qwen-VL's form, its prompt suffix stripped, and the official one give the same rows."""
    assert prepare(capsys, "docvqa", "docvqa", tmp_path, PARTIAL).code == 0
    whole = {row["id"]: row for row in read_jsonl(tmp_path / "docvqa/docvqa_val.jsonl")}
    folder = real("docvqa/official_format_smallval")
    for number, (name, count) in enumerate(
        {"tiennvcs_val_v1.0.json": 12, "rish_rows_val_v1.0.json": 10}.items()
    ):
        out = tmp_path / str(number)
        source = f"docvqa_val={folder / name}"
        ran = prepare(capsys, "docvqa", "docvqa", out, PARTIAL, "--source", source)
        assert ran.code == 0, ran.err
        part = read_jsonl(out / "docvqa/docvqa_val.jsonl")
        assert len(part) == count
        for row in part:
            curly = whole[row["id"]]  # one of the small files has straight quotes
            assert curly | {"question": curly["question"].replace("‘", "'").replace("’", "'")} == row


def test_ai2d_official_rows_are_the_same(tmp_path: Path, capsys: Capture) -> None:
    """Guards the options cut from a question against the official files, where both have them."""
    assert prepare(capsys, "ai2d", "ai2d", tmp_path).code == 0
    whole = {row["id"]: row for row in read_jsonl(tmp_path / "ai2d/ai2d_test.jsonl")}
    ids = tmp_path / "ai2d_test_ids.csv"
    ids.write_text("70\n1987\n")
    source = f"ai2d_test={real('ai2d') / 'questions_official'},{ids}"
    out = tmp_path / "official"
    assert prepare(capsys, "ai2d", "ai2d", out, PARTIAL, "--source", source).code == 0
    part = read_jsonl(out / "ai2d/ai2d_test.jsonl")
    assert len(part) == 10
    assert [whole[row["id"]] for row in part] == part


def test_flickr30k_plain_texts_are_the_same(tmp_path: Path, capsys: Capture) -> None:
    """Guards references: MAGIC's rows and Multi30K's lines hold the same five captions of each picture."""
    folder = real("flickr30k")
    assert prepare(capsys, "flickr30k", "flickr30k", tmp_path / "rows").code == 0
    files = [folder / "multi30k_task2_test_2016_images.txt"]
    files += [folder / f"multi30k_task2_test_2016.{number}.en.gz" for number in range(1, 6)]
    source = f"flickr30k_test={','.join(map(str, files))}"
    assert prepare(capsys, "flickr30k", "flickr30k", tmp_path / "lines", "--source", source).code == 0
    name = "flickr30k/flickr30k_test.jsonl"
    assert (tmp_path / "rows" / name).read_bytes() == (tmp_path / "lines" / name).read_bytes()


def test_vqav2_named_by_hand(tmp_path: Path, capsys: Capture) -> None:
    """Guards --source for a pair, and the part of COCO that a file names."""
    folder = real("vqav2")
    source = f"vqav2_val={folder / 'allennlp_questions.json'},{folder / 'allennlp_annotations.json'}"
    assert prepare(capsys, "vqav2", "vqav2", tmp_path, PARTIAL, "--source", source).code == 0
    found = read_jsonl(tmp_path / "vqav2/vqav2_val.jsonl")
    assert [row["id"] for row in found] == ["458752000", "458752001", "458752002"]
    assert {row["image"] for row in found} == {"coco/train2014/COCO_train2014_000000458752.jpg"}


def test_real_pictures_are_linked_and_pass(tmp_path: Path, capsys: Capture) -> None:
    """Guards the way to a run: rows, pictures under the folder one has, and `check` over both."""
    folder = real("chartqa")
    slices = [f"chartqa_test_{part}={folder / f'test_{part}.slice.json'}" for part in ("human", "augmented")]
    flags = (PARTIAL, "--images", folder / "png", *(word for name in slices for word in ("--source", name)))
    assert prepare(capsys, "chartqa", "chartqa", tmp_path, *flags).code == 0
    ran = run(capsys, "check", "chartqa", "--data", tmp_path, PARTIAL)
    assert ran.code == 0, ran.out
    assert "chartqa_test_human 104 1,250" in " ".join(ran.out.split())


def test_grit_examples(tmp_path: Path, capsys: Capture) -> None:
    """Guards the two real expressions with boxes, whose sizes are read from their pictures."""
    ran = prepare(capsys, "grit", "grit", tmp_path, PARTIAL, "--images", real("grit") / "images")
    assert ran.code == 0, ran.err
    found = read_jsonl(tmp_path / "grit/grit_refexp.jsonl")
    assert [(row["expression"], row["width"], row["height"]) for row in found] == [
        ("woman digging in bag", 427, 640),
        ("white cat", 500, 331),
    ]
    assert run(capsys, "check", "grit", "--data", tmp_path, PARTIAL).code == 0
