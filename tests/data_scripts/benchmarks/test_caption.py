"""Captions: every published form to the same canonical rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data_scripts.benchmarks.support import Capture, error_of, prepare, rows, write
from tests.data_scripts.support import Fields

FIVE = [f"Caption {number}." for number in range(5)]


def coco(*ids: int, name: str = "file_name") -> Fields:
    """Pictures and captions in COCO's form; captions of different pictures take turns."""
    images = [{"id": id, name: f"data/{id}.jpg", "width": 3, "domain": "near-domain"} for id in ids]
    notes = [{"image_id": id, "id": 9, "caption": caption} for caption in FIVE for id in ids]
    return {"info": {}, "images": images, "annotations": notes}


@pytest.mark.parametrize("name", ["file_name", "image"])
def test_nocaps(tmp_path: Path, capsys: Capture, name: str) -> None:
    """Guards the join, the order of captions, the domain, and what Qwen-VL's file calls the picture."""
    write(tmp_path / "raw", {"nocaps_val_4500_captions.json": coco(7, 0, name=name)})
    assert prepare(capsys, "nocaps", tmp_path).code == 0
    assert rows(tmp_path, "nocaps/nocaps_val.jsonl") == [
        {"id": str(id), "image": f"nocaps/val/{id}.jpg", "captions": FIVE, "domain": "near-domain"}
        for id in (7, 0)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["images"][1].update(domain="inside"), "images[1]: field 'domain': expected in-domain, "),
        (lambda f: f["images"][1].update(id=7), "images[1]: field 'id': '7' already stands in images[0]"),
        (lambda f: f["images"][1].pop("file_name"), "images[1]: field 'image': missing"),
        (lambda f: f["images"].append({"id": 1, "file_name": "1.jpg"}), "images[2]: field 'id': no caption"),
        (lambda f: f["images"].pop(1), "annotations[1]: field 'image_id': no picture under 'images' has"),
        (lambda f: f["annotations"][3].pop("caption"), "annotations[3]: field 'caption': missing"),
        (lambda f: f["annotations"].insert(2, None), "annotations[2]: expected a JSON object, got null"),
        (lambda f: f.pop("annotations"), "expected a list under 'annotations', the object has images, info"),
        (lambda f: f.update(images={}), "expected a list under 'images'"),
        (lambda f: f["images"][0].pop("id"), "the first row lacks 'id'"),
    ],
)
def test_a_bad_coco_file_is_named(
    tmp_path: Path, capsys: Capture, change: Callable[[Fields], object], message: str
) -> None:
    """Guards the join: a picture without captions, or captions of no picture, shift nothing silently."""
    broken = coco(7, 0)
    change(broken)
    write(tmp_path / "raw", {"nocaps_val.json": broken})
    assert message in error_of(prepare(capsys, "nocaps", tmp_path))
    assert not (tmp_path / "out").exists()


def karpathy(*splits: str) -> Fields:
    return {
        "dataset": "flickr30k",
        "images": [
            {
                "filename": f"{index}.jpg",
                "imgid": index,
                "split": split,
                "sentences": [{"raw": caption, "tokens": ["x"]} for caption in FIVE],
            }
            for index, split in enumerate(splits)
        ],
    }


def expected(*ids: int) -> list[Fields]:
    return [{"id": str(id), "image": f"flickr30k/images/{id}.jpg", "captions": FIVE} for id in ids]


LINES = {
    f"test_2016.{number}.en{packed}": "".join(f"{FIVE[number - 1]}\n" for _ in range(2)).encode()
    for number, packed in zip(range(1, 6), ("", ".gz", "", "", ""), strict=True)
}
LISTED = {"split": "test", "captions": FIVE, "prediction": "A man."}


@pytest.mark.parametrize(
    "files",
    [
        {"dataset_flickr30k.json": karpathy("train", "test", "val", "test")},
        {
            "flickr30k_karpathy_test.json": {
                "images": [{"id": 1, "image": "x/1.jpg"}, {"id": 3, "image": "3.jpg"}]
            }
        },
        {"magic_result.json": [LISTED | {"image_name": "1.jpg"}, LISTED | {"image_name": "3.jpg"}]},
        {"test_2016_images.txt": b"1.jpg\n3.jpg", **LINES},
    ],
)
def test_flickr30k_forms_agree(tmp_path: Path, capsys: Capture, files: dict[str, Any]) -> None:
    """Guards that the references, and so CIDEr, do not depend on whose file one has."""
    if "flickr30k_karpathy_test.json" in files:
        notes = [{"image_id": id, "caption": caption} for caption in FIVE for id in (1, 3)]
        files["flickr30k_karpathy_test.json"]["annotations"] = notes
    write(tmp_path / "raw", files)
    assert prepare(capsys, "flickr30k", tmp_path).code == 0
    assert rows(tmp_path, "flickr30k/flickr30k_test.jsonl") == expected(1, 3)
    assert (tmp_path / "out/flickr30k/flickr30k_train.jsonl").exists() == ("dataset_flickr30k.json" in files)


def test_flickr30k_training_captions_of_qwen_vl(tmp_path: Path, capsys: Capture) -> None:
    """Guards a file of one row per caption: captions of a picture stand together, pictures in file order."""
    notes = [{"image": f"x/{id}.jpg", "caption": caption} for caption in FIVE for id in (3, 1)]
    write(
        tmp_path / "raw",
        {"dataset_flickr30k.json": karpathy("test"), "flickr30k_karpathy_train.json": {"annotations": notes}},
    )
    assert prepare(capsys, "flickr30k", tmp_path).code == 0
    assert rows(tmp_path, "flickr30k/flickr30k_train.jsonl") == expected(3, 1)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"dataset_flickr30k.json": karpathy("train")}, "the file has no rows of this split"),
        (
            {"a_result.json": [LISTED | {"image_name": "1.jpg"}] * 2},
            "[1]: field 'image_name': '1' already stands in [0]",
        ),
        ({"a_result.json": [LISTED | {"image_name": "1.jpg", "captions": []}]}, "[0]: field 'captions'"),
        ({"a_result.json": [{"image_id": 1, "caption": "x"}]}, "the first row lacks 'image_name'"),
        (
            {"test_2016_images.txt": b"1.jpg\n2.jpg\n3.jpg\n", **LINES},
            "test_2016.1.en: 2 lines, but {raw}/test_2016_images.txt names 3 pictures",
        ),
        ({"test_2016_images.txt": b"1.jpg\n1.jpg\n", **LINES}, "_images.txt:2: field 'line': '1' already"),
        ({"test_2016_images.txt": b"1.jpg\n\n", **LINES}, "_images.txt:2: field 'line': expected the path"),
        (
            {"test_2016_images.txt": b"1.jpg\n2.jpg\n", "test_2016.1.en": b"a\nb\n"},
            "test_2016_images.txt is there, but not *test_2016.2.en and *test_2016.3.en",
        ),
    ],
)
def test_a_bad_flickr30k_file_is_named(
    tmp_path: Path, capsys: Capture, files: dict[str, Any], message: str
) -> None:
    """Guards captions that belong to the next picture, the likeliest fault of lists kept side by side."""
    write(tmp_path / "raw", files)
    assert message.format(raw=tmp_path / "raw") in error_of(prepare(capsys, "flickr30k", tmp_path))


def test_a_sentence_without_text_is_named(tmp_path: Path, capsys: Capture) -> None:
    """Guards the place of a fault two lists deep."""
    broken = karpathy("test", "test")
    del broken["images"][1]["sentences"][2]["raw"]
    write(tmp_path / "raw", {"dataset_flickr30k.json": broken})
    assert "dataset_flickr30k.json: images[1].sentences[2]: field 'raw': missing" in error_of(
        prepare(capsys, "flickr30k", tmp_path)
    )
