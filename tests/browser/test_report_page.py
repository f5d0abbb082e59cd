"""The one-file page, opened from disk in Debian's chromium with the network off."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from tests.browser.runs import FAILED, UNPARSED, ask, demo_rows, demo_run, page
from tests.eval_mm.support import write_data

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

ATTACK = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
CLOSING = "</script></style></title>" + ATTACK
TASKS = ("refcoco_val", "vqav2_val", "vizwiz_test")

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page in a window of its own, offline; `complaints` are what it logged and what it tried to load."""

    def __init__(self, browser: Any, path: Path, width: int = 1360, height: int = 900, scheme: str = "light"):
        self.address = f"file://{quote(str(path))}"
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        self.complaints: list[str] = []
        self.tab = self.context.new_page()
        self.tab.on("console", lambda said: self.complaints.append(said.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.route("**/*", self._route)

    def _route(self, route: Any) -> None:
        if route.request.url.partition("#")[0] == self.address:
            route.continue_()
        else:
            self.complaints.append(f"asked for {route.request.url}")
            route.abort()

    def at(self, place: str = "") -> Any:
        """The tab, opened at a place of the page."""
        self.tab.goto("about:blank")
        self.tab.goto(f"{self.address}{place}")
        return self.tab


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens pages, and demands at the end that none of them complained or asked for anything."""
    opened: list[Opened] = []

    def make(path: Path, **options: Any) -> Opened:
        opened.append(Opened(browser, path, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.context.close()
        assert one.complaints == []


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs on the demo data: alpha is wrong on each third question, beta on each fourth."""
    where = tmp_path_factory.mktemp("runs")
    return demo_run(where / "a", "alpha", 3, *TASKS), demo_run(where / "b", "beta", 4, *TASKS)


@pytest.fixture(scope="module")
def demo(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of both runs beside the published figures."""
    return page(tmp_path_factory.mktemp("page") / "a report.html", *folders)


def settle(tab: Any) -> None:
    """Waits until what was asked for is drawn: the list is drawn anew in a frame after it."""
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def listed(tab: Any) -> list[str]:
    """The ids in sight in the list."""
    settle(tab)
    found: list[str] = tab.locator("#rows .row .id").all_text_contents()
    return found


def shown(tab: Any) -> str:
    """The id of the sample that is shown."""
    settle(tab)
    found: str = tab.locator("#sample h3 bdi").text_content()
    return found


def test_it_opens_from_disk_with_the_numbers_of_the_results(
    open_page: Any, demo: Path, folders: tuple[Path, Path]
) -> None:
    """A page that needs a server, or rounds on its own, is no record of a run."""
    tab = open_page(demo).at()
    assert tab.locator("h1").first.text_content() == "Evaluation report"
    for folder in folders:
        for task in ("refcoco_val", "vqav2_val"):
            stored = json.loads((folder / task / "result.json").read_text())
            (value,) = {one["value"] for name, one in stored["metrics"].items() if "/" not in name}
            row = tab.locator(".leaderboard tr", has_text=stored["model"]).locator(
                f'td[data-value="{value}"]'
            )
            assert row.count() >= 1
            assert f"{value:.2f}" in row.first.text_content()


def test_nothing_can_be_loaded_or_run_but_the_page_itself(demo: Path) -> None:
    """Without a policy one forgotten escape would be enough for a model's answer to run."""
    text = demo.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy[1]
    assert not re.search(r"\s(style|on\w+)=", text[: text.index('<script type="application/json"')])


def test_sorting_ranks_only_numbers_that_were_measured_alike(open_page: Any, demo: Path) -> None:
    """A demo run above the papers' models would read as a result."""
    tab = open_page(demo).at()
    board = tab.locator(".leaderboard", has_text="RefCOCOg").first
    tab.click("text=All together")
    head = board.locator("th[data-better]", has_text="val").first
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    rows = board.locator("tbody tr").all()
    cells = [row.locator("td.number").first for row in rows]
    values = [cell.get_attribute("data-value") for cell in cells]
    contests = [cell.get_attribute("data-contest") for cell in cells]
    ranked = [float(value) for value, contest in zip(values, contests, strict=True) if contest]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) == 5
    assert contests == sorted(contests, key=lambda contest: (contest is None, contest == ""))
    ranks = [row.locator("td.rank").text_content() for row in rows]
    assert ranks[: len(ranked)] == [str(place) for place in range(1, len(ranked) + 1)]
    assert set(ranks[len(ranked) :]) == {""}
    kinds = [row.get_attribute("data-kind") for row, value in zip(rows, values, strict=True) if value]
    assert kinds[len(ranked) :] == ["specialist"] * 3 + ["runs"] * 2  # whatever their numbers
    apart = [place for place, row in enumerate(rows) if "apart" in (row.get_attribute("class") or "")]
    assert apart == [len(ranked), len(ranked) + 3, len(ranked) + 5]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    tab.click("text=By kind")
    assert board.locator("tr.group").first.text_content() == "Our runs"


def test_wrong_answers_are_filtered(open_page: Any, demo: Path) -> None:
    """The browser is there to look at failures: unread and failed answers are among them, and count alone."""
    tab = open_page(demo).at("#refcoco_val?run=alpha")
    rows = demo_rows("refcoco_val")
    wrong = [place for place in range(len(rows)) if place % 3 == 0 or place in (UNPARSED, FAILED)]
    assert listed(tab)[:2] == [rows[FAILED]["id"], rows[UNPARSED]["id"]]
    tab.select_option("#order", "data")
    tab.click("#outcomes >> text=Wrong")
    assert listed(tab) == [rows[place]["id"] for place in wrong][: len(listed(tab))]
    assert tab.locator("#count").text_content() == f"{len(wrong)} of {len(rows)} samples"
    for filter_, place in (("Unparsed", UNPARSED), ("Failed", FAILED)):
        tab.click(f"#outcomes >> text={filter_}")
        assert listed(tab) == [rows[place]["id"]]
    assert "fell over <b>hard</b>" in tab.locator("#sample").inner_text()


def test_text_and_breakdowns_filter(open_page: Any, demo: Path, folders: tuple[Path, Path]) -> None:
    """A category that holds other samples than its number was made of would mislead."""
    tab = open_page(demo).at("#vqav2_val?run=beta")
    rows = demo_rows("vqav2_val")
    wanted = [row["id"] for row in rows if row["answer_type"] == "number"]
    tab.select_option("#order", "data")
    tab.select_option("#category", label="answer_type=number")
    assert listed(tab) == wanted
    tab.select_option("#category", label="all")
    tab.fill("#search", rows[7]["question"].upper())
    assert rows[7]["id"] in listed(tab)
    assert len(listed(tab)) == sum(row["question"] == rows[7]["question"] for row in rows)
    tab.fill("#search", "no such words anywhere")
    assert "No sample passes" in tab.locator("#rows").inner_text()


def test_a_link_opens_a_sample_of_a_run(open_page: Any, demo: Path) -> None:
    """Findings are passed on as links; one to another run's answer would accuse the wrong model."""
    opened = open_page(demo)
    tab = opened.at("#refcoco_val/6?run=beta")
    assert shown(tab) == "6"
    assert tab.locator("#run option:checked").text_content() == "beta"
    assert "right" in tab.locator("#sample .badge").first.text_content()
    tab.click("#sample .others a")
    tab.wait_for_function("byId('run').selectedOptions[0].text === 'alpha'")
    assert tab.locator("#run option:checked").text_content() == "alpha"
    assert "wrong" in tab.locator("#sample .badge").first.text_content()
    link = tab.locator("#sample .title a").get_attribute("href")
    assert link == "#refcoco_val/6?run=alpha"
    assert shown(opened.at(link)) == "6"
    assert "No sample" in opened.at("#refcoco_val/none?run=beta").locator("#sample").inner_text()
    assert opened.at("#%E0%A4%A/x").locator("#overview").is_visible()
    chosen = open_page(demo, height=260).at("#refcoco_val").locator("nav [aria-current]").bounding_box()
    assert 50 < chosen["y"] < chosen["y"] + chosen["height"] <= 260  # in the list of tasks


def test_the_keyboard_is_enough(open_page: Any, demo: Path) -> None:
    """Hundreds of answers are read by hand; a key that types into the search must not move the list."""
    tab = open_page(demo).at("#refcoco_val?run=alpha")
    ids = [row["id"] for row in demo_rows("refcoco_val")]
    tab.select_option("#order", "data")
    tab.click("#list .row")
    tab.keyboard.press("j")
    tab.keyboard.press("ArrowDown")
    assert shown(tab) == ids[2]
    tab.keyboard.press("k")
    assert shown(tab) == ids[1]
    assert tab.url.endswith(f"#refcoco_val/{ids[1]}?run=alpha")
    tab.keyboard.press("/")
    tab.keyboard.type("jk/?")
    assert tab.locator("#search").input_value() == "jk/?"
    tab.fill("#search", "")
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.id") == "list"
    tab.keyboard.press("w")
    assert tab.locator("#outcomes [aria-pressed=true]").inner_text().startswith("Wrong")
    before = shown(tab)
    tab.keyboard.press("r")
    assert tab.locator("#run option:checked").text_content() == "beta"
    tab.keyboard.press("w")
    tab.keyboard.press("r")
    assert before in listed(tab)
    tab.keyboard.press("?")
    assert tab.locator("#help").is_visible()
    tab.keyboard.press("Escape")
    assert not tab.locator("#help").is_visible()


def test_boxes_are_drawn_where_they_are(open_page: Any, demo: Path) -> None:
    """A box beside its thing is worse than none; the two are told apart without colours."""
    tab = open_page(demo).at("#refcoco_val/6?run=alpha")
    row = demo_rows("refcoco_val")[6]
    frame = tab.locator("#sample .picture").bounding_box()
    true, said = (tab.locator(f"#sample rect.{kind}").bounding_box() for kind in ("true-box", "said-box"))
    scale = frame["width"] / row["width"]
    left, top, right, bottom = row["box"]
    assert true["x"] - frame["x"] == pytest.approx(left * scale, abs=4)
    assert true["y"] - frame["y"] == pytest.approx(top * scale, abs=4)
    assert true["width"] == pytest.approx((right - left) * scale, abs=8)
    assert true["height"] == pytest.approx((bottom - top) * scale, abs=8)
    assert said["width"] == pytest.approx(39 / 999 * row["width"] * scale, abs=8)
    dashes = [
        tab.locator(f"#sample rect.{kind}").evaluate("(box) => getComputedStyle(box).strokeDasharray")
        for kind in ("true-box", "said-box")
    ]
    assert dashes[0] == "none" != dashes[1]
    assert tab.locator("#sample .tag").all_text_contents() == ["true", "predicted"]
    tags = [tab.locator(f"#sample .{kind}-tag").bounding_box() for kind in ("true", "said")]
    assert frame["y"] < tags[0]["y"] < tags[0]["y"] + tags[0]["height"] < true["y"] + 4
    assert said["y"] + said["height"] - 4 < tags[1]["y"]  # neither hides what is in its box
    assert "true box" in tab.locator("#sample img").get_attribute("alt")


def test_what_was_asked_and_how_it_was_judged(open_page: Any, demo: Path) -> None:
    """The prompt as it was sent, the references with their counts, and each step of normalising."""
    tab = open_page(demo).at("#vqav2_val/0?run=alpha")
    row = demo_rows("vqav2_val")[0]
    text = tab.locator("#sample").inner_text()
    assert f"{row['question']} Answer:" in text
    assert "wrong answer" in text
    assert "VQA accuracy (qwen-vl) 0" in text
    counts = {answer: row["answers"].count(answer) for answer in row["answers"]}
    for answer, count in counts.items():
        assert re.search(rf"{re.escape(answer)}\s*(× {count})?", text)
    assert tab.locator("#sample img").evaluate("(img) => img.naturalWidth") > 50
    assert "no score" in open_page(demo).at("#vizwiz_test/0").locator("#sample .badge").first.inner_text()


def test_samples_that_changed_between_two_runs(open_page: Any, demo: Path) -> None:
    """Gained and lost are from the first run to the second, and the counts of the comparison lead to them."""
    opened = open_page(demo)
    tab = opened.at("#refcoco_val?run=beta")
    count = len(demo_rows("refcoco_val"))
    regular = [place for place in range(count) if place not in (UNPARSED, FAILED)]
    gained = [str(place) for place in regular if place % 3 == 0 and place % 4 != 0]
    lost = [str(place) for place in regular if place % 3 != 0 and place % 4 == 0]
    tab.select_option("#order", "data")
    tab.select_option("#changed", "gained")
    assert listed(tab) == gained
    tab.select_option("#changed", "lost")
    assert listed(tab) == lost
    tab = opened.at()
    tab.locator("details", has_text="Task by task").evaluate("(one) => { one.open = true; }")
    tab.click("a[href*='refcoco_val?'][href*='change=gained']")
    assert sorted(listed(tab), key=int) == gained
    assert tab.locator("#run option:checked").text_content() == "beta"


def test_the_direction_is_that_of_compare_and_told(
    open_page: Any, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """With three runs "lost" was of whichever run was shown, the other way round than `compare A B`."""
    third = demo_run(tmp_path / "c", "gamma", 5, "refcoco_val")
    opened = open_page(page(tmp_path / "three.html", *folders, third, published=False))
    found = []
    for run, than in (("gamma", "alpha"), ("alpha", "gamma")):
        tab = opened.at(f"#refcoco_val?run={run}&than={than}&change=lost")
        told = "lost: better in alpha than in gamma"
        assert tab.locator("#changed option:checked").text_content() == told
        assert told in tab.locator("#count").text_content()
        found.append(sorted(listed(tab), key=int))
    count = len(demo_rows("refcoco_val"))
    regular = [place for place in range(count) if place not in (UNPARSED, FAILED)]
    assert found == [[str(place) for place in regular if place % 3 and not place % 5]] * 2


def test_the_address_is_that_of_the_sample_that_is_shown(open_page: Any, demo: Path) -> None:
    """After a search or a filter the address, which one passes on, was that of a sample shown before."""
    opened = open_page(demo)
    tab = opened.at("#refcoco_val/5?run=beta")
    moves: list[tuple[Callable[..., Any], Sequence[str]]] = [
        (tab.click, ["#outcomes >> text=Wrong"]),
        (tab.fill, ["#search", "red"]),
        (tab.fill, ["#search", ""]),
        (tab.select_option, ["#order", "best"]),
        (tab.select_option, ["#changed", "lost"]),
        (tab.press, ["#list", "j"]),
    ]
    for move, given in moves:
        move(*given)
        assert tab.evaluate("location.hash") == f"#refcoco_val/{shown(tab)}?run=beta"
    before = shown(tab)
    tab.reload()
    assert (shown(tab), tab.locator("#run option:checked").text_content()) == (before, "beta")
    tab.fill("#search", "no such words")
    assert tab.evaluate("location.hash") == "#refcoco_val?run=beta"


@pytest.mark.parametrize(("width", "height"), [(1280, 700), (1280, 400), (375, 740)])
def test_keys_keep_the_chosen_sample_in_sight(open_page: Any, demo: Path, width: int, height: int) -> None:
    """The keys j and k moved on in a list that was below the window."""
    tab = open_page(demo, width=width, height=height).at("#refcoco_val?run=alpha")
    for key in "jjjjjjjjjjkk":
        tab.keyboard.press(key)
        settle(tab)
        for part in ("#list [aria-selected=true]", "#sample h3"):
            box = tab.locator(part).bounding_box()
            assert 50 <= box["y"] <= box["y"] + box["height"] <= height + 1
    tab.evaluate("scrollTo(0, 0)")
    tab.keyboard.press("k")
    settle(tab)
    assert tab.locator("#sample h3").bounding_box()["y"] < height


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("#nosuchtask", '"nosuchtask" is not in this report.'),
        ("#~nothing", '"~nothing" is not in this report.'),
        ("#%E0%A4%A", '"%E0%A4%A" is not in this report.'),
        ("#refcoco_val/6?run=nope", 'The run "nope" is not in this report.'),
        ("#refcoco_val?run=beta&than=nope&change=lost", 'The run "nope" is not in this report.'),
    ],
)
def test_an_address_of_nothing_says_so(open_page: Any, demo: Path, place: str, told: str) -> None:
    """The overview, or another run's answer, was shown as if it were what the address names."""
    opened = open_page(demo)
    tab = opened.at(place)
    assert tab.locator("#absent").inner_text() == told
    tab.evaluate("location.hash = '#vqav2_val'")
    tab.wait_for_selector("#absent", state="hidden")
    assert opened.at().locator("#absent").is_hidden()


def test_no_hits_take_no_room_and_pictures_say_why_they_are_not_there(
    open_page: Any, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """An empty box as high as the window, and "no picture" without a word whether it is lost."""
    opened = open_page(page(tmp_path / "few.html", *folders, published=False, max_samples=3))
    tab = opened.at("#refcoco_val/1?run=alpha")
    assert "not among the worst 3 samples" in tab.locator("#sample .gone").inner_text()
    tab.fill("#search", "no such words")
    assert tab.locator("#panes").bounding_box()["height"] < 100
    tab.fill("#search", "")
    assert tab.locator("#panes").bounding_box()["height"] > 400
    bare = tmp_path / "bare"
    bare.mkdir()
    opened = open_page(page(tmp_path / "bare.html", *folders, data=bare, published=False))
    assert "no such file" in opened.at("#refcoco_val/1?run=alpha").locator("#sample .gone").inner_text()


def test_a_tall_picture_and_a_blank_answer_can_be_seen(open_page: Any, tmp_path: Path) -> None:
    """An infographic as wide as its column took many screens; an answer of blanks was an empty line."""
    row = {"id": "0", "image": "pictures/tall.png", "question": "?", "answers": ["a"] * 10}
    data = write_data(tmp_path / "data", [row], "vqav2_val")
    Image.new("RGB", (60, 900)).save(data / "pictures" / "tall.png")
    folder = ask(tmp_path / "run", "m", {"vqav2_val": lambda place, row: " \n"}, str(data))
    tab = open_page(page(tmp_path / "page.html", folder, published=False)).at("#vqav2_val/0")
    tab.wait_for_function("document.querySelector('#sample .picture').style.maxWidth")
    assert 200 < tab.locator("#sample .picture").bounding_box()["height"] < 640
    assert tab.locator("#sample .answer").inner_text() == '(nothing but blanks: " \\n")'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a run in which everything that can be a text is an attack."""
    where = tmp_path_factory.mktemp("hostile")
    texts = {"question": CLOSING, "answers": [CLOSING] * 10, "answer_type": ATTACK}
    rows = [{"id": f"{number}{ATTACK}/?#%", "image": "pictures/0.png", **texts} for number in range(3)]
    data = write_data(where / "data", rows, "vqav2_val")

    def answer(place: int, row: Any) -> str:
        if place == 1:
            raise ValueError(CLOSING)
        return f"{CLOSING}\u2028\u2029\x00\ud800 \u202egnihtyna"

    folder = ask(where / f"run {ATTACK.replace('/', '')}", ATTACK, {"vqav2_val": answer}, str(data))
    result = json.loads((folder / "vqav2_val" / "result.json").read_text())
    evil = "x<img src=y onerror=window.hacked=1>"
    (folder / evil).mkdir()
    (folder / evil / "result.json").write_text(json.dumps({**result, "task": evil}))
    (folder / "broken<script>window.hacked=1<").mkdir()
    (folder / "broken<script>window.hacked=1<" / "result.json").write_text(ATTACK)
    return page(where / "hostile.html", folder)


def test_texts_of_models_and_data_stay_texts(open_page: Any, hostile: Path) -> None:
    """An answer that runs in the reader's browser could change any number on the page."""
    opened = open_page(hostile)
    for place in ("", "#vqav2_val", f"#{quote('x<img src=y onerror=window.hacked=1>')}"):
        tab = opened.at(place)
        tab.wait_for_timeout(50)
        assert tab.evaluate("window.hacked") is None
        assert tab.locator("img[src=x], img[src=y]").count() == 0
        assert tab.locator("script").count() == 4
    tab = opened.at("#vqav2_val")
    for _ in range(3):
        assert ATTACK in tab.locator("#sample").inner_text()
        tab.keyboard.press("j")
    tab.fill("#search", "<script>")
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("#list .id").count() == 3
    assert shown(opened.at(tab.locator("#sample .title a").get_attribute("href"))).endswith("/?#%")


@pytest.mark.parametrize("place", ["", "#refcoco_val/6?run=alpha", "#vqav2_val"])
def test_a_phone_shows_it_without_scrolling_sideways(open_page: Any, demo: Path, place: str) -> None:
    """Tables scroll in their own boxes; a page wider than the screen cannot be read."""
    tab = open_page(demo, width=375, height=740).at(place)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 375
    assert tab.locator("#go").is_visible()
    assert not tab.locator("#nav").is_visible()


@pytest.mark.parametrize(("place", "table"), [("", ".runs"), ("#refcoco_val", ".shown .results")])
def test_a_phone_shows_the_numbers_of_a_task(open_page: Any, demo: Path, place: str, table: str) -> None:
    """The value stood right of the screen, with nothing that told of it."""
    tab = open_page(demo, width=375, height=740).at(place)
    cells = [cell.bounding_box() for cell in tab.locator(f"{table} tbody td, {table} tbody th").all()]
    assert len(cells) >= 10
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 375 for box in cells)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["", "#refcoco_val/4?run=alpha", "#vqav2_val/0?run=alpha", "#vizwiz_test"])
def test_all_text_can_be_read_in_both_themes(open_page: Any, demo: Path, place: str, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 between every text and what is behind it."""
    tab = open_page(demo, scheme=scheme).at(place)
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    assert tab.evaluate(CONTRAST) == []


def test_the_theme_can_be_chosen(open_page: Any, demo: Path) -> None:
    """A dark system must not force a dark page on somebody who prints it."""
    tab = open_page(demo, scheme="dark").at()
    for theme, ground in (
        ("light", "rgb(255, 255, 255)"),
        ("dark", "rgb(16, 19, 23)"),
        ("auto", "rgb(16, 19, 23)"),
    ):
        tab.click("#theme")
        assert tab.locator("#theme").inner_text() == f"Theme: {theme}"
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == ground


def test_ten_thousand_samples_are_a_handful_of_elements(open_page: Any, tmp_path: Path) -> None:
    """A list of ten thousand rows makes a browser crawl."""
    rows = [
        {"id": str(n), "image": f"pictures/{n % 4}.png", "question": f"Which {n}?", "answers": [str(n)] * 10}
        for n in range(10_000)
    ]
    data = write_data(tmp_path / "data", rows, "vqav2_val")
    said = {"vqav2_val": lambda place, row: str(place) if place % 2 else "wrong"}
    folder = ask(tmp_path / "run", "big", said, str(data))
    tab = open_page(page(tmp_path / "big.html", folder, published=False)).at("#vqav2_val/9999")
    assert shown(tab) == "9999"
    assert tab.locator("#rows .row").count() < 60
    assert listed(tab)[-1] == "9999"
    tab.keyboard.press("k")
    assert shown(tab) == "9997"  # worst first: the odd ones are right
    tab.fill("#search", "which 4321?")
    assert listed(tab) == ["4321"]


def test_without_the_pictures_the_rest_is_shown(
    open_page: Any, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """Reports are made where the data set is not: numbers and answers are still there, and it is said."""
    empty = tmp_path / "empty"
    empty.mkdir()
    tab = open_page(page(tmp_path / "bare.html", *folders, data=empty)).at("#refcoco_val/6?run=alpha")
    assert "Questions, references and pictures are not shown" in tab.locator("#told").inner_text()
    assert "no such file" in tab.locator("#told").inner_text()
    assert "IoU" in tab.locator("#sample").inner_text()
    tab.click("#outcomes >> text=Wrong")
    assert len(listed(tab)) > 3
