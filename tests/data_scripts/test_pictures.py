"""Folders of pictures: which --images option means which folder under the data root."""

from pathlib import Path

import pytest

from data_scripts import pictures
from eval_mm.errors import UserError

COCO = ["coco/val2014", "coco/train2014"]


def links(out: Path, folders: list[str], *images: str | Path) -> dict[str, Path]:
    """The links planned, by folder."""
    return {
        link.at.relative_to(out).as_posix(): link.to
        for link in pictures.plan_links(out, dict.fromkeys(folders, True), images)
    }


@pytest.fixture
def have(tmp_path: Path) -> Path:
    """A user's pictures: both COCO parts below one folder."""
    for folder in COCO:
        (tmp_path / "have" / folder).mkdir(parents=True)
    return tmp_path / "have"


@pytest.mark.parametrize("below", ["", "coco"])
def test_a_folder_that_holds_several(tmp_path: Path, have: Path, below: str) -> None:
    """Guards one --images for all of COCO, named by the folder itself or the one above."""
    expected = {folder: have / folder for folder in COCO}
    assert links(tmp_path / "out", COCO, have / below) == expected


def test_each_by_its_name(tmp_path: Path, have: Path) -> None:
    """Guards FOLDER=DIR, which can be repeated, against being read as a path with '=' in it."""
    options = [f"{folder}={have / folder}" for folder in COCO]
    assert links(tmp_path / "out", COCO, *options) == {folder: have / folder for folder in COCO}


def test_one_folder_is_the_pictures_themselves(tmp_path: Path, have: Path) -> None:
    """Guards the plain case: rows name one folder, and DIR is it, whatever it is called."""
    (have / "my = pictures").mkdir()
    assert links(tmp_path / "out", COCO[:1], have / "my = pictures") == {COCO[0]: have / "my = pictures"}


def test_folders_of_one_last_name_are_told_apart(tmp_path: Path) -> None:
    """Guards ChartQA, whose charts lie in test/png and train/png: png alone could be either."""
    folders = ["chartqa/test/png", "chartqa/train/png"]
    (tmp_path / "have/png").mkdir(parents=True)
    with pytest.raises(
        UserError, match="expected FOLDER=DIR with one of chartqa/test/png, chartqa/train/png"
    ):
        links(tmp_path / "out", folders, tmp_path / "have")
    (tmp_path / "have/test/png").mkdir(parents=True)
    found = links(tmp_path / "out", folders, tmp_path / "have")
    assert found == {"chartqa/test/png": tmp_path / "have/test/png"}


def test_a_folder_inside_of_the_same_name_is_not_entered(tmp_path: Path) -> None:
    """Guards pictures in train2014 that happen to have a folder train2014 beside them."""
    (tmp_path / "train2014/train2014").mkdir(parents=True)
    found = links(tmp_path / "out", ["coco/train2014"], tmp_path / "train2014")
    assert found == {"coco/train2014": tmp_path / "train2014"}


def test_none_of_several_is_said(tmp_path: Path) -> None:
    """Guards against linking all of a user's disk as one folder of pictures."""
    with pytest.raises(UserError, match="expected FOLDER=DIR with one of coco/val2014, coco/train2014"):
        links(tmp_path / "out", COCO, tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        links(tmp_path / "out", COCO, f"coco/val2014={tmp_path / 'no'}")


def test_an_unknown_user_is_no_folder(tmp_path: Path) -> None:
    """Guards `--images ~nosuchuser/x`, once a traceback of pathlib."""
    with pytest.raises(UserError, match="expected FOLDER=DIR"):
        links(tmp_path / "out", COCO, "~nosuchuser/x")
    with pytest.raises(UserError, match="~nosuchuser/x: no such folder"):
        links(tmp_path / "out", COCO, "coco/val2014=~nosuchuser/x")


def test_pictures_are_found_before_the_link_is_made(tmp_path: Path, have: Path) -> None:
    """Guards rows that need their pictures' sizes while nothing is written yet."""
    out = tmp_path / "out"
    places = pictures.Places(out, pictures.plan_links(out, dict.fromkeys(COCO, True), [have]))
    assert places.path("coco/val2014/x.jpg") == have / "coco/val2014/x.jpg"
    assert places.path("grit/images/x.jpg") == out / "grit/images/x.jpg"


def test_a_folder_that_no_row_names_may_be_linked_by_name(tmp_path: Path, have: Path) -> None:
    """Guards one command line for all splits of VQAv2, whichever of them are prepared."""
    option = f"coco/train2014={have / 'coco/train2014'}"
    named = {"coco/val2014": True, "coco/train2014": False}
    found = pictures.plan_links(tmp_path / "out", named, [option, have / "coco/val2014"])
    assert [link.at.name for link in found] == ["train2014", "val2014"]
