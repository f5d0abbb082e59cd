"""The published form of TouchStone: a table with tabs, one question a row.

Columns: index, image, question, human_annotation, gpt4_ha_answer, category, task_name. `image` is a picture
in base64, or several: a list in brackets, or with `,`, `;` or `|` between them. A file of answers, which has
a column `response` besides and no pictures, is none of these.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence

from data_scripts import forms, source
from data_scripts.benchmark import Canonical, Enclosed, Form, Shape, Table
from data_scripts.forms_mmbench import decoded
from eval_mm.data import Row

COLUMNS = ("index", "image", "question", "human_annotation", "gpt4_ha_answer", "category", "task_name")

HEAD = re.compile(r"data:[\w/+.-]+;base64,")
"""What a picture may begin with as a data URL."""

BETWEEN = re.compile(r"[,;|\[\]'\"]+")
"""What stands around and between several pictures; base64 has none of these characters."""


def table(folder: str, language: str) -> Form:
    """Rows whose pictures are written to `folder` byte by byte, one file for rows that show the same."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        written: dict[str, str] = {}
        for row in tables[0].rows:
            index = source.claim(seen, row, "index", row.identifier("index"))
            if not index.isdecimal():
                raise row.error("index", f"expected a whole number, got '{index}'")
            images: list[str | Enclosed] = []
            for number, text in enumerate(_pictures(row), 1):
                content, ending = decoded(row, text)
                digest = hashlib.sha256(content).hexdigest()
                is_new = digest not in written
                name = index if number == 1 else f"{index}_{number}"
                path = written.setdefault(digest, f"{folder}/{name}{ending}")
                images.append(Enclosed(path, content) if is_new else path)
            yield {
                "id": index,
                "images": images,
                "question": forms.question(row),
                "human_annotation": row.text("human_annotation"),
                "reference_answer": row.text("gpt4_ha_answer"),
                "category": row.text("category"),
                "task_name": row.text("task_name"),
                "language": language,
            }

    return Form("TouchStone table", (Shape(COLUMNS, lacks=("response",)),), convert)


def _pictures(row: Row) -> list[str]:
    """The pictures of a row in base64, in order."""
    text = HEAD.sub("", row.text("image"))
    found = [part for part in BETWEEN.split(text) if part.strip()]
    if not found:
        raise row.error("image", "expected at least one picture in base64")
    return found
