"""Calls to a judge's server: a real one, in another process, that misbehaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import eval_mm
import touchstone
from eval_mm.calls.access import access
from eval_mm.calls.cost import Prices
from eval_mm.errors import UserError
from tests.data_scripts.support import tree
from tests.serving import KEY, asked, served
from tests.touchstone.support import journal, options, write_run
from tests.touchstone.test_scores import Given, write_journal
from touchstone import cli
from touchstone.openai_judge import OpenAIJudge
from touchstone.options import Options


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


def test_refusals_of_all_questions_stop(tmp_path: Path) -> None:
    """Guards against 1,816 refusals where a model takes no temperature or no system text."""
    run = write_run(tmp_path, 30)
    with (
        served(tmp_path, status=400) as url,
        pytest.raises(UserError, match="refuses the first 5 questions: 400"),
    ):
        touchstone.judge(run, options(url, concurrency=2), data=tmp_path / "data")
    assert 9 <= asked(tmp_path)["400"] <= 11


def test_a_refused_question_is_one_question(tmp_path: Path) -> None:
    """Guards a run against one content filter on its first question, or on all that is left of it."""
    run = write_run(tmp_path, 6)
    with served(tmp_path, refuses="thing 0?") as url:
        (verdict,) = touchstone.judge(run, options(url, concurrency=1), data=tmp_path / "data")
    assert (verdict.num_unasked, len(verdict.tally.failed), len(journal(run))) == (2, 2, 10)
    assert not verdict.result.complete
    (path,) = (run / "touchstone_en").glob("scores.judge-*.jsonl")
    first, second = (json.loads(line) for line in path.read_text().splitlines()[:2])
    assert "order 1: 400" in first["error"]
    assert second["error"] is None
    with served(tmp_path, status=400) as url:
        write_journal(run, {("5", 2): (5, 5)}, options(url).settings())
        (verdict,) = touchstone.judge(run, options(url, concurrency=1), data=tmp_path / "data")
    assert verdict.num_unasked == len(verdict.tally.refused) == 11, "one was judged earlier: no stop"


def test_numbers_are_written_before_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards what was judged when the key ends in the middle; a judge that never judged leaves no result."""
    run = write_run(tmp_path, 2)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-99")
    with served(tmp_path, key=KEY) as url:
        nothing: Given = {}
        for given in (nothing, {("0", 1): (5, 6)}):
            settings = options(url).settings()
            write_journal(run, given, settings)
            with pytest.raises(UserError, match="refuses the key"):
                touchstone.judge(run, options(url), data=tmp_path / "data")
            path = run / f"touchstone_en/result.judge-{settings.hash}.json"
            assert path.exists() == bool(given)
    assert json.loads(path.read_text())["metrics"]["touchstone_score"]["value"] == 500


def test_unreadable_replies_stop(tmp_path: Path) -> None:
    """Guards against paying for a whole benchmark of a judge that never gives two numbers."""
    run = write_run(tmp_path, 30)
    with (
        served(tmp_path, key=KEY, says="I think\nboth are fine.") as url,
        pytest.raises(
            UserError, match=r"none of the first 1[01] judgements can be read; .*'I think both are fine\.'"
        ),
    ):
        touchstone.judge(run, options(url, concurrency=2), data=tmp_path / "data")
    assert len(journal(run)) in (10, 11), "a reply that came with the tenth is paid for, and kept"


@pytest.mark.parametrize("says", ["", "8 1"])
def test_a_reply_cut_before_its_scores(says: str, tmp_path: Path) -> None:
    """Guards scores against a limit that cuts `8 10` to `8 1`, and says which option to raise."""
    run = write_run(tmp_path, 6)
    prices = Prices(100.0, 100.0)
    with served(tmp_path, key=KEY, says=says, finish="length") as url:
        with pytest.raises(UserError, match=r"first 5 questions: .*--max-reply-tokens 512 is too few"):
            touchstone.judge(run, options(url, concurrency=1), data=tmp_path / "data")
        assert asked(tmp_path)["ok"] == 9, "a reply that is cut is not asked for again"
        few = write_run(tmp_path / "few", 2)
        (verdict,) = touchstone.judge(few, options(url, prices=prices), data=tmp_path / "few/data")
    assert journal(run) == journal(few) == []
    assert len(verdict.tally.failed) == verdict.num_unasked == 4
    assert verdict.spent == pytest.approx(4 * 0.072), "what was cut was paid"


def test_a_reason_that_is_cut_is_a_judgement(tmp_path: Path) -> None:
    """Guards whole scores against the limit on what follows them."""
    run = write_run(tmp_path, 1)
    with served(tmp_path, key=KEY, says="6 8\nThe sec", finish="length") as url:
        touchstone.judge(run, options(url), data=tmp_path / "data")
    assert [line["calls"] for line in journal(run)] == [1, 1]


def test_one_budget_for_all_tasks(tmp_path: Path) -> None:
    """Guards --max-cost against being spent once for each task of a run."""
    run = tmp_path / "run"
    eval_mm.evaluate("echo", "touchstone_en,touchstone_zh", "demo", out=run)
    with served(tmp_path, key=KEY) as url:
        poor = options(url, prices=Prices(100.0, 100.0), max_cost=1.0, max_reply_tokens=30)
        first, second = touchstone.judge(run, poor, data="demo")
        assert first.spent is not None
        assert second.spent is not None
        assert first.spent > 0.5
        assert first.spent + second.spent <= 1.0
        assert asked(tmp_path)["ok"] * 0.072 == pytest.approx(first.spent + second.spent)


def test_the_server_is_part_of_the_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the key against a variable that sends it elsewhere, and the numbers of two servers."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    theirs = Options("m").settings()
    assert theirs.base_url == "https://api.openai.com/v1"
    judge = OpenAIJudge(theirs, access(None, "OPENAI_API_KEY", "a judge"), 5.0)
    assert str(judge.server._client.base_url).startswith("https://api.openai.com/v1")
    run = write_run(tmp_path, 2)
    with served(tmp_path, key=KEY) as url:
        ours = options(url).settings()
        assert ours.hash == options(f"{url}/").settings().hash != replace(theirs, base_url=None).hash
        assert theirs.hash != ours.hash
        touchstone.judge(run, options(url), data=tmp_path / "data", agree=cli.tell)
        assert f"server {url}" in capsys.readouterr().out
    stored = json.loads((run / f"touchstone_en/result.judge-{ours.hash}.json").read_text())
    assert stored["config"]["judge"]["base_url"] == url
    capsys.readouterr()
    assert cli.main(["report", str(run)]) == 0
    assert "judgements 4," in capsys.readouterr().out, "the stored judge finds its journal"


def test_a_dry_run_needs_nothing_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards who only wants to know the cost: no key, no folder, and what is there is counted."""
    monkeypatch.delenv("OPENAI_API_KEY")
    run, out = write_run(tmp_path, 3), tmp_path / "o"
    before = tree(run)
    assert cli.main(["judge", str(run), "--judge", "m", "--dry-run"]) == 0
    table, data = run / "touchstone_en/submission.tsv", str(tmp_path / "data")
    command = ["judge", str(table), "--data", data, "--out", str(out), "--judge"]
    assert cli.main([*command, "m", "--dry-run"]) == 0
    assert capsys.readouterr().out.count("6 calls to make, 0 judgements are there") == 2
    assert tree(run) == before
    assert not out.exists()
    assert cli.main([*command, "stub"]) == 0
    touched = tree(out)
    write_journal(out, {("0", 1): (5, 5)}, Options("m").settings())
    assert cli.main([*command, "m", "--dry-run"]) == 0
    assert "5 calls to make, 1 judgements are there" in capsys.readouterr().out
    assert len(tree(out)) == len(touched) + 1


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
