"""The published form of MMBench: a table with tabs, one row per rotation of a question's options.

Columns: index, question, hint, A to D, answer (absent where not public), category, image, source,
l2-category, comment, split. An empty cell is absent; the published conversion reads the table with pandas,
for which a cell "None" or "N/A" is absent too: here it is an option. `image` is a picture in base64, or the
index of the row that has it.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence

from data_scripts import forms, source
from data_scripts.benchmark import Canonical, Enclosed, Form, Shape, Table
from data_scripts.forms_choice import letter
from eval_mm.data import Row

OPTIONS = ("A", "B", "C", "D")
KEPT = {
    "category": "category",
    "l2-category": "l2_category",
    "source": "source",
    "comment": "comment",
    "split": "split",
}
"""Columns that are kept, and the fields they become."""

MAGIC = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}
"""How picture files begin, and what their names end in."""


def table(folder: str, public: bool) -> Form:
    """Rows whose pictures are written to `folder` byte by byte, one file for rows that show the same."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        for row in tables[0].rows:
            index = row.identifier("index")
            if not index.isdecimal():
                raise row.error("index", f"expected a whole number, got '{index}'")
            source.claim(seen, row, "index", index)
        written: dict[str, str] = {}
        for index, row in seen.items():
            owner = _owner(seen, row)
            content, ending = _picture(owner)
            digest = hashlib.sha256(content).hexdigest()
            is_new = digest not in written
            path = written.setdefault(digest, f"{folder}/{owner.string('index')}{ending}")
            choices = _choices(row)
            yield {
                "id": index,
                "image": Enclosed(path, content) if is_new else path,
                "question": forms.question(row),
                **({"hint": hint} if (hint := row.optional("hint") or "").strip() else {}),
                "choices": choices,
                **({"answer": letter(row, "answer", len(choices))} if public else {}),
                **{name: row.string(column) for column, name in KEPT.items() if row.fields.get(column)},
            }

    columns = ("index", "question", *OPTIONS, "image", *(("answer",) if public else ()))
    return Form("MMBench table", (Shape(columns),), convert)


def _owner(seen: dict[str, Row], row: Row) -> Row:
    """The row that has the picture of a row: itself, or the one whose index stands in its place."""
    passed = {row.string("index")}
    while (named := row.string("image").strip()).isdecimal() and len(named) < 12:
        if named not in seen:
            raise row.error("image", f"expected a picture in base64 or the index of a row, got '{named}'")
        if named in passed:
            raise row.error("image", f"the rows {', '.join(sorted(passed))} name each other and no picture")
        passed.add(named)
        row = seen[named]
    return row


def _picture(row: Row) -> tuple[bytes, str]:
    """The bytes of a row's picture, and the ending that names their format."""
    return decoded(row, row.text("image"))


def decoded(row: Row, encoded: str) -> tuple[bytes, str]:
    """The bytes of a picture in base64, and the ending that names their format; DataError for another."""
    text = "".join(encoded.split())
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise row.error("image", f"expected a picture in base64: {error}") from None
    for magic, ending in MAGIC.items():
        if content.startswith(magic):
            return content, ending
    known = "JPEG, PNG, GIF, BMP or WebP"
    raise row.error(
        "image", f"expected a {known} file in base64, which begins otherwise than {content[:8]!r}"
    )


def _choices(row: Row) -> list[str]:
    """The options that are there: the first one to four."""
    there = [name for name in OPTIONS if row.string(name)]
    if not there or there != list(OPTIONS[: len(there)]):
        raise row.error(
            "A", f"expected one to four options from A on, the row has {', '.join(there) or 'none'}"
        )
    return [row.string(name) for name in there]
