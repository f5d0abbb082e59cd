"""Published forms of captions.

- COCO: {"images": [..], "annotations": [..]}, joined. NoCaps; also Qwen-VL's files.
- Karpathy: {"images": [{"filename", "split", "sentences": [{"raw"}]}]}, his splits of Flickr30K.
- listed: [{"image_name", "captions": [..]}], with or without a prediction beside them.
- lines: a list of pictures and a file of captions per annotator. Multi30K.
"""

from collections.abc import Iterator, Sequence

from data_scripts import forms, source
from data_scripts.benchmark import Canonical, Form, Shape, Table
from eval_mm.data import Row
from eval_mm.errors import DataError

DOMAINS = ("in-domain", "near-domain", "out-domain")
"""Of NoCaps: whether COCO's captions name the picture's objects."""


def coco(folder: str) -> Form:
    """Pictures and captions in COCO's form, joined by the picture's id; captions in file order."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        (table,) = tables
        captions: dict[str, list[str]] = {}
        images: dict[str, Row] = {}
        for row in table.rows:
            captions[source.claim(images, row, "id", source.identifier(row, "id"))] = []
        for note in source.items(table.path, table.head["annotations"], "annotations"):
            id = source.identifier(note, "image_id")
            if id not in captions:
                raise note.error("image_id", f"no picture under 'images' has the id '{id}'")
            captions[id].append(note.string("caption"))
        for id, row in images.items():
            if not captions[id]:
                raise row.error("id", f"no caption under 'annotations' is about '{id}'")
            yield _picture(row, id, folder) | {"captions": captions[id]} | _domain(row)

    shape = Shape(("id",), "images", any_of=("file_name", "image"), beside=("annotations",))
    return Form("COCO captions", (shape,), convert)


def _picture(row: Row, id: str, folder: str) -> Canonical:
    name = "file_name" if "file_name" in row.fields else "image"
    return {"id": id, "image": f"{folder}/{source.file_name(row, name)}"}


def _domain(row: Row) -> Canonical:
    if "domain" not in row.fields:
        return {}
    domain = row.string("domain")
    if domain not in DOMAINS:
        raise row.error("domain", f"expected {', '.join(DOMAINS)}, got '{domain}'")
    return {"domain": domain}


def karpathy(folder: str, split: str) -> Form:
    """One split of Karpathy's file; the id is the picture's name without its ending."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        (table,) = tables
        seen: dict[str, Row] = {}
        for row in table.rows:
            if row.string("split") != split:
                continue
            sentences = row.fields.get("sentences")
            if not isinstance(sentences, list) or not sentences:
                raise row.error("sentences", f"expected a list of captions, got {source.kind(sentences)}")
            spoken = source.items(table.path, sentences, f"{source.where(row).removeprefix('in ')}.sentences")
            yield _named(seen, row, "filename", folder) | {"captions": [one.string("raw") for one in spoken]}

    shape = Shape(("filename", "split", "sentences"), "images")
    return Form("Karpathy's splits", (shape,), convert)


def listed(folder: str, split: str) -> Form:
    """Rows with all captions of a picture; a prediction beside them is not read."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        seen: dict[str, Row] = {}
        for row in tables[0].rows:
            if row.fields.get("split", split) == split:
                yield _named(seen, row, "image_name", folder) | {"captions": forms.answers(row, "captions")}

    return Form("pictures with their captions", (Shape(("image_name", "captions")),), convert)


def captions_with_images(folder: str) -> Form:
    """Qwen-VL's training captions: one row per caption, gathered by picture."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        found: dict[str, Canonical] = {}
        for row in tables[0].rows:
            name = source.file_name(row, "image")
            fresh = {"id": _stem(name), "image": f"{folder}/{name}", "captions": []}
            found.setdefault(name, fresh)["captions"].append(row.string("caption"))
        yield from found.values()

    return Form("captions with their pictures", (Shape(("image", "caption"), "annotations"),), convert)


def plain(folder: str, annotators: int) -> Form:
    """A file of picture names and one file of captions per annotator; line k belongs to picture k."""

    def convert(tables: Sequence[Table]) -> Iterator[Canonical]:
        names, *columns = tables
        for column in columns:
            if len(column.rows) != len(names.rows):
                raise DataError(
                    column.path,
                    f"{len(column.rows)} lines, but {names.path} names {len(names.rows)} pictures",
                )
        seen: dict[str, Row] = {}
        for index, row in enumerate(names.rows):
            captions = [column.rows[index].string("line") for column in columns]
            yield _named(seen, row, "line", folder) | {"captions": captions}

    return Form("lines of captions", (Shape(("line",)),) * (1 + annotators), convert)


def _named(seen: dict[str, Row], row: Row, field: str, folder: str) -> Canonical:
    name = source.file_name(row, field)
    return {"id": source.claim(seen, row, field, _stem(name)), "image": f"{folder}/{name}"}


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0]
