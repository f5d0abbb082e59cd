"""Published forms of grounding rows: an expression and the box of what it refers to."""

from collections.abc import Iterator, Sequence

from data_scripts import source
from data_scripts.benchmark import Canonical, Form, Shape, Table
from eval_mm.data import Row


def expressions(title: str, pictures: str, *, image: str, expression: str) -> Form:
    """One row per expression, box x1, y1, x2, y2 in pixels; conversions differ in what they call two fields.

    The id is sent_id where the first row has it, else the 0-based row.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        (table,) = tables
        has_ids = "sent_id" in table.rows[0].fields
        seen: dict[str, Row] = {}
        for index, row in enumerate(table.rows):
            box, width, height = row.box("bbox"), row.positive_int("width"), row.positive_int("height")
            yield {
                "id": source.claim(seen, row, "sent_id", source.identifier(row, "sent_id"))
                if has_ids
                else str(index),
                "image": f"{pictures}/{source.file_name(row, image)}",
                "expression": row.text(expression),
                "box": list(box),
                "width": width,
                "height": height,
            }

    return Form(title, (Shape((image, expression)),), convert)
