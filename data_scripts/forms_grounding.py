"""Published forms of grounding rows: an expression and the box of what it refers to."""

from collections.abc import Iterator, Sequence

from data_scripts import source
from data_scripts.benchmark import Canonical, Form, Shape, Table
from eval_mm.data import Row
from eval_mm.tasks.grit import SUBSETS


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


def grit(folder: str) -> Form:
    """GRIT's refexp.json: a query per picture; the boxes are kept by its server.

    Pictures of COCO are those that other benchmarks use, under coco/; the others are below `folder`. The rows
    have no width and height: they are read from the pictures. Which subset they are of stands nowhere but in
    the name of the folder that the file is in, samples/ablation or samples/test.
    """

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        (table,) = tables
        parent = table.path.absolute().parent.name
        subset = {"subset": parent} if parent in SUBSETS else {}
        seen: dict[str, Row] = {}
        for row in table.rows:
            path = row.image("image_id").path
            yield {
                "id": source.claim(seen, row, "example_id", source.identifier(row, "example_id")),
                "image": path if path.startswith("coco/") else f"{folder}/{path}",
                "expression": row.text("task_query"),
                **subset,
            }

    return Form("GRIT samples", (Shape(("example_id", "image_id", "task_query")),), convert)


def grit_examples(folder: str) -> Form:
    """The example file of GRIT's repository, its referring expressions with their boxes."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        for index, row in enumerate(tables[0].rows):
            parts = []
            for name in ("input", "gt"):
                part = row.fields.get(name)
                if not isinstance(part, dict):
                    raise row.error(name, f"expected an object, got {source.kind(part)}")
                parts.append(source.Item(part, row.path, f"{source.where(row).removeprefix('in ')}.{name}"))
            asked, truth = parts
            boxes = truth.fields.get("bboxes")
            if not isinstance(boxes, list) or len(boxes) != 1:
                raise truth.error("bboxes", f"expected a list of one box, got {source.kind(boxes)}")
            yield {
                "id": str(index),
                "image": f"{folder}/{source.file_name(asked, 'image_path')}",
                "expression": asked.text("task_query"),
                "box": list(source.Item({"bboxes": boxes[0]}, row.path, truth.place).box("bboxes")),
            }

    shape = Shape(("input", "gt", "src"), "refexp")
    return Form("GRIT examples", (shape,), convert, partial="it has the examples of GRIT's repository only")
