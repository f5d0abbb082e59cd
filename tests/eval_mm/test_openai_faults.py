"""Models behind a server that misbehaves, in another process: nothing is lost, doubled or made up."""

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image as Picture

from eval_mm import jobs
from eval_mm.calls.cost import Budget
from eval_mm.calls.faults import Gone, Silent
from eval_mm.calls.patience import Patience
from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.models.openai_calls import Tally
from eval_mm.run import run
from eval_mm.schema import Image, Request
from tests.eval_mm.behind_a_server import ask, backend, command, journal, one_error
from tests.eval_mm.support import BOX_ANSWER, rows, write_data
from tests.serving import KEY, asked, calls, served

ROOT = Path(__file__).parents[2]
FAULTS = ("429", "500", "503", "reset", "slow", "garbage", "truncated", "cut")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(24, images=4))


def test_a_third_of_the_calls_fails(data: Path, tmp_path: Path) -> None:
    """Guards against answers lost, doubled or made up, and against asking twice what was answered."""
    out = tmp_path / "run"
    faults = {"faults": 0.4, "kinds": FAULTS, "slow": 9.0, "key": KEY, "seed": 38, "says": BOX_ANSWER}
    with served(tmp_path, **faults) as url:
        result = ask(url, data, out, timeout=3.0)
        assert (result.num_errors, result.metrics["accuracy@0.5"].value) == (0, 100)
        lines = journal(out)
        assert Counter(line["id"] for line in lines) == Counter(f"s{number}" for number in range(24))
        kinds = asked(tmp_path)
        assert set(kinds) >= {*FAULTS, "ok"}
        assert kinds["ok"] == 24, "what was answered is not asked again"
        ask(url, data, out)
        assert asked(tmp_path) == kinds, "a finished run asks nothing"
    assert journal(out) == lines


def test_what_fails_in_the_end_is_recorded(data: Path, tmp_path: Path) -> None:
    """Guards every sample: answered, or an error that says why."""
    out = tmp_path / "run"
    with served(tmp_path, faults=0.5, kinds=FAULTS[1:4], seed=1, says=BOX_ANSWER) as url:
        result = ask(url, data, out, Patience(tries=1, first=0.01))
        first = journal(out)
        failed = [line for line in first if line["error"]]
        assert 0 < len(failed) == result.num_errors < 24
        assert len(first) == 24
        assert {line["error"][:13] for line in failed} == {"500 later", "503 later", "no connection"}
        assert asked(tmp_path)["ok"] == 24 - len(failed)


def test_only_what_failed_is_asked_again(data: Path, tmp_path: Path) -> None:
    """Guards money: the same server asked again by the same command gets the failed questions alone."""
    out = tmp_path / "run"
    with served(tmp_path, refuses="thing 1", says=BOX_ANSWER) as url:  # things 1, 10 to 19
        result = ask(url, data, out)
        assert result.num_errors == 11
        assert not result.complete
        answered = [body for kind, body in calls(tmp_path) if kind == "ok"]
        ask(url, data, out)
        later = [body for kind, body in calls(tmp_path)][24:]
        assert len(later) == 11
        assert not set(later) & set(answered)
    lines = journal(out)
    assert len(lines) == 24 + 11
    assert all("400 content filter" in line["error"] for line in lines if line["error"])


KILLED = """
import sys
sys.path.insert(0, {root!r})
from tests.eval_mm.behind_a_server import ask
from pathlib import Path
ask({url!r}, Path({data!r}), Path({out!r}), max_concurrency=4)
"""


def test_kill_and_resume(data: Path, tmp_path: Path) -> None:
    """Guards money: what was journalled before kill -9 is never asked again, what was not is asked once."""
    out = tmp_path / "run"
    with served(tmp_path, key=KEY, delay=0.1, says=BOX_ANSWER) as url:
        code = KILLED.format(root=str(ROOT), url=url, data=str(data), out=str(out))
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        path = out / "refcoco_val/predictions.rank0.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not path.exists() or path.read_bytes().count(b"\n") < 6):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = journal(out)
        assert 6 <= len(before) < 24
        with path.open("ab") as torn:
            torn.write(b'{"id": "s23", "text": "(1')
        time.sleep(0.3)  # calls in flight when it died still reach the log
        known = calls(tmp_path)
        assert len(known) - len(before) <= 4, "only what was in flight is asked twice"
        ask(url, data, out)
        later = [body for _, body in calls(tmp_path)[len(known) :]]
        assert len(later) == len(set(later)) == 24 - len(before)
        ask(url, data, out)
        assert len(calls(tmp_path)) == len(known) + len(later), "a finished run asks nothing"
    lines = journal(out)
    assert lines[: len(before)] == before
    assert Counter(line["id"] for line in lines) == Counter(f"s{number}" for number in range(24))


def test_ctrl_c_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    """Guards the answers so far, and a terminal against a program that does not end."""
    out = tmp_path / "run"
    with served(tmp_path, key=KEY, delay=0.2, says=BOX_ANSWER) as url:
        arguments = command(url, data, out, "--max-concurrency", "2")
        process = subprocess.Popen(
            [sys.executable, "-m", "eval_mm", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        path = out / "refcoco_val/predictions.rank0.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not path.exists() or path.read_bytes().count(b"\n") < 2):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == 130
        assert "interrupted" in said
        assert "Traceback" not in said
        assert "Exception" not in said
        kept = len(journal(out))
        ask(url, data, out)
        assert asked(tmp_path)["ok"] <= 24 + 2 + 2
        assert kept >= 2
    assert Counter(line["id"] for line in journal(out)) == Counter(f"s{number}" for number in range(24))


def test_a_caller_that_stops_listening_ends_the_calls(data: Path, tmp_path: Path) -> None:
    """Guards against threads and connections that live on when a generator is left."""
    with served(tmp_path, delay=0.05, says=BOX_ANSWER) as url:
        job = jobs.plan_run(backend(url), ["refcoco_val"], data, out=tmp_path / "run")
        answers = backend(url).generate(job.planned.plans[0].requests())
        assert next(answers).text == BOX_ANSWER
        answers.close()  # type: ignore[attr-defined]
        assert not [thread for thread in threading.enumerate() if thread.name == "calls"]
        time.sleep(0.2)
        made = len(calls(tmp_path))
        assert made < 24
        time.sleep(0.2)
        assert len(calls(tmp_path)) == made


def test_fewer_calls_where_the_server_takes_few(data: Path, tmp_path: Path) -> None:
    """Guards a server that takes three calls at once against sixteen, and the run against giving up."""
    with served(tmp_path, capacity=3, delay=0.02, says=BOX_ANSWER) as url:
        found = backend(url)
        result = run(found, ["refcoco_val"], data, out=tmp_path / "run").outcomes[0].result
        assert result.num_errors == 0
        kinds = asked(tmp_path)
        assert kinds["ok"] == 24
        assert 0 < kinds["429"] < 24
        assert "the server was overloaded" in found.notices()[0]


def test_a_wrong_key_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a run of thousands of refused calls; the line does not show the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-99")
    with served(tmp_path, key=KEY) as url:
        assert main(command(url, data, tmp_path / "run")) == 2
        line = one_error(capsys)
        assert "refuses the key in $OPENAI_API_KEY" in line
        assert "sk-wrong-99" not in line
        assert asked(tmp_path)["401"] == 0, "it was found out before anything was asked"


def test_a_server_that_is_not_there(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a run of which every sample fails because nobody started the server."""
    assert main(command("http://127.0.0.1:9/v1", data, tmp_path / "run", "--tries", "1")) == 2
    assert "http://127.0.0.1:9/v1: cannot be asked (no connection: " in one_error(capsys), (
        "once is no 3 tries"
    )
    assert not (tmp_path / "run/refcoco_val").exists()
    with served(tmp_path, models=[{"id": "one"}, {"id": "two"}]) as url:
        assert main(command(url, data, tmp_path / "run")) == 2
    assert "has no model 'm'; it has one, two" in one_error(capsys)
    with served(tmp_path, status=404, models=[]) as url:
        assert main(command(url, data, tmp_path / "run")) == 2
    assert "the server knows no 'm', or no such address as http" in one_error(capsys)


def test_money_ends_cleanly(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards --max-cost: hardly more is spent, what was answered stays, more money goes on from there."""
    out = tmp_path / "run"
    prices = ("--price-in", "100", "--price-out", "100")  # a call is 720 tokens: 0.072 dollars
    with served(tmp_path, says=BOX_ANSWER) as url:
        assert main(command(url, data, out, *prices, "--max-cost", "1")) == 2
        line = one_error(capsys)
        assert "stopped at --max-cost $1:" in line
        assert "the same command with more money goes on" in line
        kept = len(journal(out))
        assert 7 <= kept <= 13, "0.5 to 1 dollars"
        assert asked(tmp_path)["ok"] == kept, "every answer that was paid for is kept"
        assert main(command(url, data, out, *prices, "--max-cost", "50")) == 0
        assert asked(tmp_path)["ok"] == 24
        assert f"${(24 - kept) * 0.072:.4f} spent" in capsys.readouterr().err
    assert main(command("http://h/v1", data, out, "--max-cost", "50")) == 2
    assert "--max-cost needs --price-in and --price-out" in one_error(capsys)
    assert main(command("http://h/v1", data, out, "--price-in", "50")) == 2
    assert "belong together" in one_error(capsys)


def test_refusals_of_all_questions_stop(tmp_path: Path) -> None:
    """Guards against a benchmark of refusals where a model takes no temperature, and says what to do."""
    with (
        served(tmp_path, unknown="temperature") as url,
        pytest.raises(UserError, match="--temperature server leaves it out"),
    ):
        ask(url, write_data(tmp_path / "more", rows(60)), tmp_path / "run")
    assert 20 <= asked(tmp_path)["400"] <= 36


def test_a_server_that_is_gone_stops(tmp_path: Path) -> None:
    """Guards against hours of waiting for a server that ended in the middle; what was answered is kept."""
    data, out = write_data(tmp_path / "data", rows(60, images=4)), tmp_path / "run"
    impatient = Patience(tries=2, first=0.001, longest=0.001)
    with (
        served(tmp_path, dies_after=10, says=BOX_ANSWER) as url,
        pytest.raises(
            UserError, match=r"failed 2\d questions in a row, the last: 2 tries failed, the last: "
        ),
    ):
        ask(url, data, out, impatient, max_concurrency=4)
    lines = journal(out)
    assert sum(line["error"] is None for line in lines) == 10
    assert 20 <= len(lines) <= 40


def test_a_server_that_never_answers_stops(tmp_path: Path) -> None:
    """It took connections and was silent: every question was waited for eight times five minutes."""
    data, out = write_data(tmp_path / "data", rows(60, images=1)), tmp_path / "run"
    mute = Patience(tries=8, first=0.001, longest=0.001, silence=0.0)
    with (
        served(tmp_path, faults=1.0, kinds=("slow",), slow=60.0) as url,
        pytest.raises(Gone, match=r"failed .*, the last: no reply within 0\.02 seconds, and none to any"),
    ):
        ask(url, data, out, mute, max_concurrency=4, timeout=0.02)
    assert len(journal(out)) <= 8
    assert Gone.code == 3, "samples failed: a script may come again, which bad usage tells it not to"


def test_silence_in_the_middle_of_a_picture(tmp_path: Path) -> None:
    """Thirty questions of one picture were waited for one after the other, five minutes each."""
    tally = Tally(Budget(None, None), answered=7)
    for _ in range(5):
        tally.check()
        tally.fail(Request("1", (Image("a.png"), "x")), Silent("no reply"))
    with pytest.raises(Gone, match="failed 5 questions in a row, the last: no reply"):
        tally.check()
    tally.reply()
    tally.check()


def test_a_picture_that_a_server_cannot_take(tmp_path: Path) -> None:
    """Its thirty questions fail one after the other; they were once taken for a server that is gone."""
    data, out = write_data(tmp_path / "data", rows(60)), tmp_path / "run"
    for number in range(2):
        Picture.new("RGB", (9, 9), (number, 0, 0)).save(data / f"pictures/{number}.png")
    spoilt = base64.b64encode((data / "pictures/1.png").read_bytes()).decode()
    impatient = Patience(tries=2, first=0.001, longest=0.001)
    with served(tmp_path, breaks=spoilt, says=BOX_ANSWER) as url:
        result = ask(url, data, out, impatient)
    assert (result.num_errors, len(journal(out))) == (30, 60)


def test_answers_without_a_word_stop(data: Path, tmp_path: Path) -> None:
    """Guards the bill of a model that reasons longer than its limit, and says which option to raise."""
    with (
        served(tmp_path, says="<think>Well, the", finish="length") as url,
        pytest.raises(UserError, match="first 5 answers reached their limit of new tokens"),
    ):
        ask(url, data, tmp_path / "run")
    assert asked(tmp_path)["ok"] < 24
    lines = journal(tmp_path / "run")
    assert len(lines) >= 5
    assert {(line["text"], line["reasoning"], line["stop_reason"]) for line in lines} == {
        ("", "Well, the", "length")
    }


def test_pictures_that_cannot_be_read_are_errors_of_their_samples(data: Path, tmp_path: Path) -> None:
    """One bad file costs its questions alone, and nothing is sent for them."""
    (data / "pictures/1.png").unlink()
    with served(tmp_path, says=BOX_ANSWER) as url:
        result = ask(url, data, tmp_path / "run")
        assert asked(tmp_path)["ok"] == 18
    assert result.num_errors == 6
    errors = {line["error"] for line in journal(tmp_path / "run")}
    assert errors == {None, "pictures/1.png: no such image file"}
