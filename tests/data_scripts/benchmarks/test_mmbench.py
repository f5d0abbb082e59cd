"""MMBench: tables with pictures inside."""

import base64
import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.benchmarks.test_real_data import real
from tests.data_scripts.support import run, tree

DEV, TEST = "mmbench/mmbench_dev.jsonl", "mmbench/mmbench_test.jsonl"
COLUMNS = [
    "index",
    "question",
    "hint",
    "A",
    "B",
    "C",
    "D",
    "answer",
    "category",
    "image",
    "source",
    "l2-category",
    "comment",
    "split",
]


def picture(number: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (number, 0, 0)).save(buffer, kind)
    return buffer.getvalue()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def row(index: int, **changes: str) -> dict[str, str]:
    cells = dict.fromkeys(COLUMNS, "")
    fixed = {"index": str(index), "question": "Which?", "A": "x", "B": "y", "answer": "B"}
    return cells | fixed | {"image": encoded(picture(index % 1_000_000))} | changes


def table(*cells: dict[str, str], columns: list[str] = COLUMNS) -> bytes:
    """As pandas writes it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter="\t", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue().encode()


def test_a_table(tmp_path: Path, capsys: Capture) -> None:
    """Guards cells with line ends, quotes and tabs, empty cells, options called None, and kept columns."""
    facts = {"category": "ocr", "l2-category": "coarse", "source": "web", "comment": "c", "split": "dev"}
    first = row(3, hint='Look\n"here"\tnow', C="None", D="z\n", answer="C", **facts)
    write(tmp_path / "raw", {"mmbench_dev_20230712.tsv": table(first, row(4, B="", answer="A"), row(5))})
    ran = prepare(capsys, "mmbench", tmp_path)
    assert ran.code == 0, ran.err
    found = rows(tmp_path, DEV)
    assert found[0] == {
        "id": "3",
        "image": "mmbench/images/dev/3.png",
        "question": "Which?",
        "hint": 'Look\n"here"\tnow',
        "choices": ["x", "y", "None", "z\n"],
        "answer": 2,
        "category": "ocr",
        "l2_category": "coarse",
        "source": "web",
        "comment": "c",
        "split": "dev",
    }
    assert found[1] == {
        "id": "4",
        "image": "mmbench/images/dev/4.png",
        "question": "Which?",
        "choices": ["x"],
        "answer": 0,
    }
    assert "mmbench_dev 3 4,377 3 3" in " ".join(ran.out.split())


def test_rows_named_by_hand_may_lack_a_hint(tmp_path: Path, capsys: Capture) -> None:
    """Guards a table that was turned into JSONL: its empty cells are null, which is no text and is said."""
    rows_of_json = [row(1), {name: cell for name, cell in row(2).items() if name != "hint"}]
    write(tmp_path / "raw", {"dev.jsonl": rows_of_json})
    source = ("--source", f"mmbench_dev={tmp_path / 'raw/dev.jsonl'}")
    assert prepare(capsys, "mmbench", tmp_path, *source).code == 0
    assert [found["id"] for found in rows(tmp_path, DEV)] == ["1", "2"]
    write(tmp_path / "raw", {"dev.jsonl": [row(1), row(2) | {"hint": None}]})
    error = error_of(prepare(capsys, "mmbench", tmp_path, *source))
    assert "dev.jsonl:2: field 'hint': expected a string, got null" in error


def test_rotations_share_a_picture(tmp_path: Path, capsys: Capture) -> None:
    """Guards disk and caches: one file where bytes repeat or an index stands for them; bytes as they were."""
    rotated = [row(2_000_003, image="1000003"), row(3), row(1_000_003, image="3"), row(1_000_004), row(4)]
    content = table(
        *rotated, row(5, image=encoded(picture(5, "JPEG"))), row(6, image=encoded(picture(6, "GIF")))
    )
    write(tmp_path / "raw", {"mmbench_dev_20230712.tsv": content})
    assert prepare(capsys, "mmbench", tmp_path).code == 0
    found = {one["id"]: one["image"].rsplit("/", 1)[1] for one in rows(tmp_path, DEV)}
    assert found == {
        "2000003": "3.png",
        "3": "3.png",
        "1000003": "3.png",
        "1000004": "1000004.png",
        "4": "1000004.png",
        "5": "5.jpg",
        "6": "6.gif",
    }
    assert tree(tmp_path / "out/mmbench/images/dev") == {
        "3.png": picture(3),
        "1000004.png": picture(4),
        "5.jpg": picture(5, "JPEG"),
        "6.gif": picture(6, "GIF"),
    }
    before = tree(tmp_path / "out")
    assert prepare(capsys, "mmbench", tmp_path).code == 0
    assert tree(tmp_path / "out") == before


def test_answers_of_test_are_not_public(tmp_path: Path, capsys: Capture) -> None:
    """Guards a table without the column, whose pictures must not mix with those of dev."""
    columns = [name for name in COLUMNS if name != "answer"]
    write(
        tmp_path / "raw",
        {
            "mmbench_dev_20230712.tsv": table(row(3)),
            "mmbench_test_20230712.tsv": table(row(3, image=encoded(picture(9))), columns=columns),
        },
    )
    assert prepare(capsys, "mmbench", tmp_path).code == 0
    assert rows(tmp_path, TEST) == [
        {"id": "3", "image": "mmbench/images/test/3.png", "question": "Which?", "choices": ["x", "y"]}
    ]
    assert (tmp_path / "out/mmbench/images/dev/3.png").read_bytes() == picture(3)
    assert (tmp_path / "out/mmbench/images/test/3.png").read_bytes() == picture(9)


BROKEN = encoded(picture(1))[:-1]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"image": BROKEN}, "field 'image': expected a picture in base64: "),
        ({"image": "no base64!"}, "field 'image': expected a picture in base64: "),
        ({"image": encoded(b"text")}, "field 'image': expected a JPEG, PNG, GIF, BMP or WebP file in base64"),
        ({"image": ""}, "field 'image': expected text that is not blank"),
        ({"image": "77"}, "field 'image': expected a picture in base64 or the index of a row, got '77'"),
        ({"image": "4"}, "field 'image': the rows 4 name each other and no picture"),
        ({"answer": "C"}, "field 'answer': expected one of A, B, got 'C'"),
        ({"answer": ""}, "field 'answer': expected one of A, B, got ''"),
        ({"A": ""}, "field 'A': expected one to four options from A on, the row has B"),
        ({"D": "z"}, "field 'A': expected one to four options from A on, the row has A, B, D"),
        ({"index": "4.0"}, "field 'index': expected a whole number, got '4.0'"),
        ({"index": "3"}, "field 'index': '3' already stands on line 2"),
        ({"question": ""}, "field 'question': expected text that is not blank"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, capsys: Capture, cells: dict[str, str], message: str) -> None:
    """Guards broken base64 above all: one line with row and field, and nothing written."""
    first = row(3, hint="two\nlines")
    write(tmp_path / "raw", {"mmbench_dev_20230712.tsv": table(first, row(4) | cells)})
    error = error_of(prepare(capsys, "mmbench", tmp_path))
    assert f"mmbench_dev_20230712.tsv:4: {message}" in error
    assert list(tmp_path.iterdir()) == [tmp_path / "raw"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table(row(3)) + b"4\tx\n", ".tsv:3: 2 cells in a table of 14 columns"),
        (table(row(3)) + b'4\t"Which?\n', ".tsv:3: not a table with tabs: unexpected end of data"),
        (b"index\tindex\n1\t2\n", ".tsv:1: a column stands twice"),
        (b"index\n\xff\n", ".tsv: not UTF-8 text (byte 7)"),
        (b"", "the file has no rows"),
        (table(row(3), columns=COLUMNS[:7]), "the first row lacks 'image' and 'answer'"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, capsys: Capture, content: bytes, message: str) -> None:
    """Guards a download that was cut off."""
    write(tmp_path / "raw", {"mmbench_dev_20230712.tsv": content})
    assert message in error_of(prepare(capsys, "mmbench", tmp_path))


def test_pictures_are_not_linked(tmp_path: Path, capsys: Capture) -> None:
    """Guards a user's folder against pictures written through a link."""
    write(tmp_path / "raw", {"mmbench_dev_20230712.tsv": table(row(3))})
    error = error_of(prepare(capsys, "mmbench", tmp_path, "--images", tmp_path))
    assert "the pictures of mmbench lie in its file" in error


def test_the_real_sample(tmp_path: Path, capsys: Capture) -> None:
    """Guards real base64: the very bytes of the benchmark's sample pictures, fit to be opened."""
    folder = real("mmbench")
    out = tmp_path / "out"
    assert run(capsys, "prepare", "mmbench", "--raw", folder, "--out", out, "--allow-partial").code == 0
    assert tree(out / "mmbench/images/dev") == tree(folder / "samples")
    assert len(rows(tmp_path, DEV)) == 10
    assert run(capsys, "check", "mmbench", "--data", out, "--allow-partial").code == 0
