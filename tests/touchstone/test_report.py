"""The report: one file that loads nothing and runs nothing but its own script."""

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.touchstone.support import write_run
from tests.touchstone.test_scores import HAND, JUDGE, write_journal
from touchstone import cli
from touchstone.answered import read_run
from touchstone.journal import Journal, Judgement

EVIL = "</p><script>document.title='gone'</script><img src=x onerror=\"document.title='gone'\">"


class Tags(HTMLParser):
    """The tags of a page, and the texts of its scripts and styles."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inner: dict[str, str] = {}
        self.open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        self.inner[self.open] = self.inner.get(self.open, "") + data


@pytest.fixture
def page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The report of four questions; answer 0 and one reason are hostile."""
    run = write_run(tmp_path, 4, answers={"0": f"[Question] {EVIL}"})
    write_journal(run, {place: scores for place, scores in HAND.items() if place != ("1", 1)})
    (answered,) = read_run(run)
    with Journal(answered.journal(JUDGE.hash)) as file:
        file.append(Judgement("1", 1, answered.items[1].key(JUDGE, 1), 3, 7, f"7 3\nBecause {EVIL}"))
    from touchstone.judging import conclude

    conclude(answered, JUDGE)
    assert cli.main(["report", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "judged by GPT-4 of 2023: not to be compared" in shown
    assert "Qwen-VL-Chat-1.1  711.6" in shown
    (path,) = (run / "touchstone_en").glob("*.html")
    assert str(path) in shown
    assert "1 judgements missing, bounds 575.0-687.5" in shown
    assert "1 judgements missing, bounds 575.0-687.5" in path.read_text(encoding="utf-8")
    return path


def test_nothing_missing_has_no_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards a whole judging against a note about what it lacks."""
    run = write_run(tmp_path, 2)
    assert cli.main(["judge", str(run), "--judge", "stub"]) == 0
    assert cli.main(["report", str(run)]) == 0
    assert "judgements missing" not in capsys.readouterr().out


def test_texts_are_texts(page: Path) -> None:
    """Guards the reader's browser against what a model or a judge wrote."""
    text = page.read_text(encoding="utf-8")
    tags = Tags(text)
    assert EVIL not in text
    assert text.count("&lt;script&gt;") == 2
    assert sum(tag == "script" for tag, _ in tags.found) == 1
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    assert "Published, judged by GPT-4 of 2023" in text
    assert "The answer carries the markers" in text


def test_the_file_stands_alone(page: Path) -> None:
    """Guards opening it without a network: nothing is loaded, and the policy knows its script and style."""
    tags = Tags(page.read_text(encoding="utf-8"))
    for _, attributes in tags.found:
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert sum(tag == "img" for tag, _ in tags.found) == 4
    (policy,) = (a["content"] for tag, a in tags.found if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(tags.inner[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_filters_in_a_browser(page: Path) -> None:
    """Guards the script under its own policy: filters work, hostile texts do not, nothing is requested."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs the browser chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        requests: list[str] = []
        said: list[str] = []
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(page.as_uri())

        def shown() -> list[str]:
            return [found.inner_text() for found in tab.locator("article:visible h2 bdi").all()]

        assert tab.title().endswith("judged by m")
        assert shown() == ["0", "1", "2", "3"]
        tab.select_option("#dimension", "basic description")
        assert shown() == ["0", "2"]
        tab.fill("#least", "8")
        assert shown() == ["2"]
        assert tab.inner_text("#count") == "1 of 4"
        tab.select_option("#dimension", "")
        tab.fill("#least", "1")
        tab.select_option("#order", "up")
        assert shown() == ["1", "3", "0", "2"]
        browser.close()
    assert said == []
    assert [url for url in requests if not url.startswith(("data:", page.as_uri()))] == []


def test_a_picture_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the report of a run whose pictures were moved: it says so and shows the rest."""
    run = write_run(tmp_path, 2)
    assert cli.main(["judge", str(run), "--judge", "stub"]) == 0
    (tmp_path / "data/pictures/1.png").unlink()
    assert cli.main(["report", str(run)]) == 0
    (path,) = (run / "touchstone_en").glob("*.html")
    text = path.read_text(encoding="utf-8")
    assert text.count("picture 1 cannot be read") == 1
    assert "no judgement of quality" in text
    assert len(re.findall("data:image/webp", text)) == 1
    capsys.readouterr()
