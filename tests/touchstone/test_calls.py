"""Calls to a judge's server: a real one, in another process, that misbehaves."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import touchstone
from eval_mm.errors import UserError
from tests.data_scripts.support import tree
from tests.touchstone.support import KEY, asked, journal, options, served, write_run
from touchstone.cost import Prices
from touchstone.openai_judge import retry_after


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def check_each_once(run: Path, questions: int) -> None:
    """Every question is judged exactly once in each order."""
    places = Counter((line["id"], line["order"]) for line in journal(run))
    assert set(places.values()) == {1}
    assert len(places) == 2 * questions


def faulty_run(tmp_path: Path, questions: int, slow: float, seconds: float) -> None:
    run = write_run(tmp_path, questions)
    with served(tmp_path, faults=0.3, key=KEY, slow=slow, seed=4) as url:
        (verdict,) = touchstone.judge(
            run, options(url, seconds=seconds, concurrency=32), data=tmp_path / "data"
        )
    check_each_once(run, questions)
    lines = journal(run)
    kinds = asked(tmp_path)
    assert {"429", "500", "reset", "slow", "empty", "unreadable", "garbage"} <= set(kinds)
    unread = kinds["empty"] + kinds["unreadable"]
    # each reply is in one line of the journal, but those that came too late on a busy machine
    replies = sum(line["calls"] for line in lines)
    assert replies <= kinds["ok"] + unread <= replies + kinds["slow"]
    missing = [line for line in lines if line["answer"] is None]
    assert all(line["calls"] == 2 for line in missing)
    assert verdict.tally.missing == len(missing) < unread
    assert verdict.num_unasked == 0
    assert verdict.result.config["judge"]["unreadable"] == len(missing)
    assert verdict.result.metrics["touchstone_score"].value == pytest.approx(725, abs=25)


def test_a_third_of_the_calls_fails(tmp_path: Path) -> None:
    """Guards against judgements lost, doubled or made up when a server fails in every way it can."""
    faulty_run(tmp_path, 50, slow=3.0, seconds=1.5)


@pytest.mark.slow
def test_a_third_of_all_calls_fails(tmp_path: Path) -> None:
    """The same over the whole benchmark: 908 questions in both orders."""
    faulty_run(tmp_path, 908, slow=6.0, seconds=3.0)


KILLED = """
import sys, touchstone
sys.path.insert(0, {root!r})
from tests.touchstone.support import options
touchstone.judge({run!r}, options({url!r}, concurrency=4), data={data!r})
"""


def test_kill_and_resume(tmp_path: Path) -> None:
    """Guards money: what was journalled before kill -9 is never asked again, what was not is asked once."""
    run, root = write_run(tmp_path, 40), str(Path(__file__).parents[2])
    with served(tmp_path, key=KEY, delay=0.05) as url:
        code = KILLED.format(root=root, run=str(run), url=url, data=str(tmp_path / "data"))
        process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
        path = run / "touchstone_en/judge"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and sum(f.read_bytes().count(b"\n") for f in path.glob("*")) < 20:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = journal(run)
        assert 20 <= len(before) < 80
        (file,) = path.glob("*.jsonl")
        with file.open("ab") as torn:
            torn.write(b'{"id": "39", "order": 2, "ke')
        time.sleep(0.3)  # calls in flight when it died still reach the log
        calls = asked(tmp_path)["ok"]
        touchstone.judge(run, options(url), data=tmp_path / "data")
        assert asked(tmp_path)["ok"] - calls == 80 - len(before)
        assert calls - len(before) <= 4, "only what was in flight is asked twice"
        touchstone.judge(run, options(url), data=tmp_path / "data")
        assert asked(tmp_path)["ok"] - calls == 80 - len(before), "a finished run asks nothing"
    check_each_once(run, 40)
    assert journal(run)[: len(before)] == before


def test_a_wrong_key_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against 1,816 calls with a wrong key; one line, which does not show the key."""
    run = write_run(tmp_path, 200)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-99")
    with served(tmp_path, key=KEY) as url, pytest.raises(UserError, match="refuses the key") as caught:
        touchstone.judge(run, options(url, concurrency=4), data=tmp_path / "data")
    said = str(caught.value)
    assert "401" in said
    assert "sk-wrong-99" not in said
    assert "\n" not in said
    assert asked(tmp_path)["401"] <= 4
    assert journal(run) == []


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    """Guards the key: a server that repeats it, in a reply or an error, must not bring it into the folder."""
    run = write_run(tmp_path, 6)
    with served(tmp_path, key=KEY, says=f"5 5\nYour key is {KEY}, thank you.") as url:
        touchstone.judge(run, options(url), data=tmp_path / "data")
    assert "[key]" in journal(run)[0]["reply"]
    assert len(tree(run)) >= 7
    for path, content in tree(run).items():
        assert KEY.encode() not in content, path


@pytest.mark.parametrize("key", ["1", "none", "10.00 10", None])
def test_the_key_changes_no_score(key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the scores against a key that stands in them: a local server's `1` made `8 10` unreadable."""
    monkeypatch.delenv("OPENAI_API_KEY")
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key.replace(" ", ","))
    run = write_run(tmp_path, 1)
    says = "10.00,10\n1 none: none is 10.00,10"
    with served(tmp_path, says=says) as url:
        touchstone.judge(run, options(url), data=tmp_path / "data")
    for line in journal(run):
        assert (line["answer"], line["reference"]) == (10, 10)
        reason = "1 none: none is [key]" if key == "10.00 10" else "1 none: none is 10.00,10"
        assert line["reply"] == f"10.00,10\n{reason}"


def test_the_server_asks_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards Retry-After in its three forms; anything else is no wait."""
    monkeypatch.setattr("touchstone.openai_judge.time.time", lambda: 1_700_000_000.0)
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:25 GMT"}) == 5.0
    assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:05 GMT"}) == 0.0
    for header in ("", "soon", "-1", "nan", "inf"):
        assert retry_after({"retry-after": header}) is None


def test_money_ends_cleanly(tmp_path: Path) -> None:
    """Guards --max-cost: never more is spent, what was judged stays, and more money goes on from there."""
    run = write_run(tmp_path, 20)
    prices = Prices(100.0, 100.0)  # a call is 720 tokens: 0.072 dollars
    with served(tmp_path, key=KEY) as url:
        poor = options(url, prices=prices, max_cost=1.0, max_reply_tokens=30)
        (verdict,) = touchstone.judge(run, poor, data=tmp_path / "data")
        assert verdict.spent is not None
        assert 0.5 < verdict.spent <= 1.0
        assert verdict.tally.too_dear == verdict.num_unasked == 40 - len(journal(run)) > 0
        assert not verdict.result.complete
        rich = options(url, prices=prices, max_cost=100.0, max_reply_tokens=30)
        (verdict,) = touchstone.judge(run, rich, data=tmp_path / "data")
        assert verdict.spent == pytest.approx(40 * 0.072)
        assert asked(tmp_path)["ok"] == 40


def test_a_refusal_of_the_first_question_stops(tmp_path: Path) -> None:
    """Guards against 1,816 refusals where a model takes no temperature or no system text."""
    run = write_run(tmp_path, 30)
    with (
        served(tmp_path, status=400) as url,
        pytest.raises(UserError, match="refuses the first question: 400"),
    ):
        touchstone.judge(run, options(url, concurrency=2), data=tmp_path / "data")


def test_patience_ends(tmp_path: Path) -> None:
    """Guards a dead server: calls that fail in the end are no judgements, and the next try asks them."""
    run = write_run(tmp_path, 2)
    (verdict,) = touchstone.judge(run, options("http://127.0.0.1:9/v1"), data=tmp_path / "data")
    assert verdict.num_unasked == 4
    assert len(verdict.tally.failed) == 4
    assert "12 tries failed" in verdict.tally.failed[0]
    assert verdict.result.metrics == {}
    with served(tmp_path, key=KEY) as url:
        (verdict,) = touchstone.judge(run, options(url), data=tmp_path / "data")
    assert verdict.num_unasked == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": "http://user:pass@host/v1"}, "a key belongs into the environment"),
        ({"base_url": "http://host/v1?key=1"}, "a key belongs into the environment"),
        ({"base_url": "host"}, "expected http"),
        ({"api_key_env": "sk-1234"}, "expected the name of an environment variable"),
        ({"max_cost": 1.0}, "--max-cost needs --price-in"),
    ],
)
def test_options_that_cannot_be(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    """Guards the key against standing in a URL or a command line, and says what is wrong before spending."""
    run = write_run(tmp_path, 2)
    url = str(changes.pop("base_url", "http://127.0.0.1:9/v1"))
    with pytest.raises(UserError, match=said) as caught:
        touchstone.judge(run, options(url, **changes), data=tmp_path / "data")
    assert "sk-1234" not in str(caught.value)
    assert "pass" not in str(caught.value)


def test_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the first minute of a new user: one line names the variable."""
    monkeypatch.delenv("OPENAI_API_KEY")
    run = write_run(tmp_path, 2)
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        touchstone.judge(run, "gpt-4o", data=tmp_path / "data")
