"""What pages of one file share: data that stays data, their policy, small pictures."""

import base64
import hashlib
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from eval_mm.report.one_file import embedded_json, policy, thumbnail
from eval_mm.report.page.pictures import pictures_within


def test_no_text_ends_the_element_it_stands_in() -> None:
    """`</script>` in an answer would end the data and begin a page of the model's own."""
    value = {"a</script>": ["<!-- <script>", "\u2028\u2029&amp;", "\ud800"]}
    text = embedded_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_the_policy_names_the_very_texts() -> None:
    """A hash of another text would leave the page without style and script."""
    digest = base64.b64encode(hashlib.sha256(b"a { }").digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy("a { }", "b()")
    assert "unsafe" not in policy("a { }", "b()")


def test_pictures_with_nothing_behind_them_stand_on_white(tmp_path: Path) -> None:
    """Black text of a chart on a transparent ground would be black on black."""
    Image.new("RGBA", (900, 300), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    url = thumbnail(tmp_path / "clear.png", 100)
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as small:
        assert small.size == (100, 33)
        assert small.convert("RGB").getpixel((50, 10)) == (255, 255, 255)
    assert thumbnail(tmp_path / "none.png", 100) == ""


def test_a_large_picture_is_shown_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Pillow's warning of an attack, with the place of its own code, stood among the lines of `report`."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    Image.new("RGB", (90, 80)).save(tmp_path / "large.png")
    found = pictures_within({0: [tmp_path / "large.png"]}, 10_000)
    assert (found.num_shown, len(recwarn)) == (1, 0)
