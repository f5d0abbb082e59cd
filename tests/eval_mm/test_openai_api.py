"""Models behind a server: a real one, in another process, that misbehaves; `--model openai:NAME`."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import jobs, models
from eval_mm.calls.patience import Patience
from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.explain import explain
from eval_mm.models import Settings
from eval_mm.models.openai_api import OpenAIBackend
from eval_mm.models.openai_target import target
from eval_mm.run import run
from eval_mm.schema import Result
from tests.data_scripts.support import tree
from tests.eval_mm.support import BOX_ANSWER, rows, write_data
from tests.serving import KEY, asked, calls, served

ROOT = Path(__file__).parents[2]
QUICK = Patience(tries=12, first=0.01, longest=0.05)
FAULTS = ("429", "500", "503", "reset", "slow", "garbage", "truncated", "cut")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(24, images=4))


def backend(url: str, patience: Patience = QUICK, **changes: Any) -> OpenAIBackend:
    """The model `m` behind the server, impatient."""
    settings = Settings(base_url=url, **{"box_scale": "999", "timeout": 5.0, **changes})
    return OpenAIBackend(target("openai:m", "m", settings), settings, patience)


def ask(url: str, data: Path, out: Path, patience: Patience = QUICK, **changes: Any) -> Result:
    """The result of refcoco_val."""
    return run(backend(url, patience, **changes), ["refcoco_val"], data, out=out).outcomes[0].result


def journal(out: Path, task: str = "refcoco_val") -> list[dict[str, Any]]:
    """The lines of a task's journal."""
    text = (out / task / "predictions.rank0.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def command(url: str, data: Path, out: Path, *options: str) -> list[str]:
    """The command line of a run."""
    start = ["run", "--task", "refcoco_val", "--model", "openai:m", "--base-url", url, "--box-scale", "999"]
    return [*start, "--data", str(data), "--out", str(out), *options]


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr but a progress bar."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line and "%|" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


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
        assert {line["error"].partition(" the last: ")[0] for line in failed} == {"1 tries failed,"}
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
from tests.eval_mm.test_openai_api import ask
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


def test_inside_an_event_loop(data: Path, tmp_path: Path) -> None:
    """Guards notebooks: they have a loop already, and two in one thread are an error."""

    async def notebook(url: str) -> Result:
        return ask(url, data, tmp_path / "run")

    with served(tmp_path, says=BOX_ANSWER) as url:
        assert asyncio.run(notebook(url)).num_errors == 0


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


def test_the_key_is_in_no_file(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the key: a server that repeats it, in an answer or an error, must not bring it anywhere."""
    out = tmp_path / "run"
    further = {"reasoning_content": f"I know {KEY}."}
    with served(tmp_path, key=KEY, says=f"{BOX_ANSWER} {KEY}", further=further, refuses="thing 3") as url:
        assert main(command(url, data, out)) == 3
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err
    assert journal(out)[0]["text"] == f"{BOX_ANSWER} [key]"
    assert journal(out)[0]["reasoning"] == "I know [key]."
    assert len(tree(out)) >= 4
    for path, content in tree(out).items():
        assert KEY.encode() not in content, path


def test_a_local_server_needs_no_key(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the first minute with a server of one's own, and with OpenAI's."""
    monkeypatch.delenv("OPENAI_API_KEY")
    with served(tmp_path, says=BOX_ANSWER) as url:
        assert main(command(url, data, tmp_path / "run")) == 0
    capsys.readouterr()
    assert main(["run", "--task", "refcoco_val", "--model", "openai:gpt-4o", "--data", str(data)]) == 2
    assert "--model openai:gpt-4o needs a key in the environment: set OPENAI_API_KEY" in one_error(capsys)


def test_a_server_that_is_not_there(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a run of which every sample fails because nobody started the server."""
    assert main(command("http://127.0.0.1:9/v1", data, tmp_path / "run")) == 2
    assert "http://127.0.0.1:9/v1: cannot be asked" in one_error(capsys)
    assert not (tmp_path / "run/refcoco_val").exists()
    with served(tmp_path, models=[{"id": "one"}, {"id": "two"}]) as url:
        assert main(command(url, data, tmp_path / "run")) == 2
    assert "has no model 'm'; it has one, two" in one_error(capsys)
    with served(tmp_path, status=404, models=[]) as url:
        assert main(command(url, data, tmp_path / "run")) == 2
    assert "the server knows no 'm', or no such address: 404" in one_error(capsys)


def test_what_a_server_says_of_itself(tmp_path: Path) -> None:
    """Guards our own server's answers: same checkpoint elsewhere, same answers; its units, its formats."""
    entry = {
        "id": "m",
        "prompt_parts": True,
        "chat": False,
        "box_scale": "999",
        "fingerprint": "f",
        "demo": True,
    }
    infos = []
    for _ in range(2):
        with served(tmp_path, models=[{"id": "x"}, entry]) as url:
            infos.append(models.describe("openai:m", Settings(base_url=url)))
    one, other = infos
    assert one.settings["server"] != other.settings["server"]
    assert one.fingerprint == other.fingerprint
    assert (one.plain, one.chat, one.box_scale, one.demo, one.protocol) == (
        True,
        False,
        "999",
        True,
        "qwen-vl",
    )
    with served(tmp_path) as url:
        bare = models.describe("openai:m", Settings(base_url=url))
    assert (bare.plain, bare.chat, bare.box_scale, bare.demo, bare.protocol) == (
        False,
        True,
        None,
        False,
        "instruct",
    )


def test_a_changed_setting_is_asked_again(data: Path, tmp_path: Path) -> None:
    """Guards numbers: what was drawn at another temperature is another answer; and says what made it."""
    out = tmp_path / "run"
    with served(tmp_path, says=BOX_ANSWER) as url:
        ask(url, data, out)
        changes: list[dict[str, Any]] = [
            {"temperature": 0.5},
            {"temperature": "server"},
            {"generation_seed": 7},
            {"reasoning_effort": "low"},
            {"extra_body": '{"top_p": 0.5}'},
            {"max_image_size": 10},
        ]
        for number, changed in enumerate(changes, 2):
            result = ask(url, data, out, **changed)
            assert asked(tmp_path)["ok"] == 24 * number, changed
            assert changed == {"temperature": "server"} or result.config["settings"] != {"temperature": 0.0}
        ask(url, data, out, max_concurrency=2, timeout=9.0, tries=3)
        assert asked(tmp_path)["ok"] == 24 * 7, "how fast it is asked changes no answer"
        config = ask(url, data, out, extra_body='{"top_p": 0.5}').config
    assert config["settings"] == {"server": url, "temperature": 0.0, "extra_body": {"top_p": 0.5}}


def test_what_is_sent(data: Path, tmp_path: Path) -> None:
    """Guards the request: picture first, its bytes untouched, the words, the limits, the user's fields."""
    keep = tmp_path / "kept"
    keep.mkdir()
    with served(tmp_path, says=BOX_ANSWER, keep=str(keep)) as url:
        settings = Settings(
            base_url=url,
            box_scale="999",
            system="Be brief.",
            max_new_tokens=99,
            temperature=0.7,
            generation_seed=5,
            reasoning_effort="high",
            extra_body='{"top_p": 0.9, "chat_template_kwargs": {"enable_thinking": false}}',
            max_concurrency=1,
        )
        run("openai:m", ["refcoco_val"], data, out=tmp_path / "run", settings=settings)
    bodies = [json.loads(path.read_bytes()) for path in sorted(keep.iterdir())]
    first = bodies[0]
    system, user = first.pop("messages")
    assert system == {"role": "system", "content": "Be brief."}
    picture, words = user["content"]
    first_url = picture["image_url"]["url"]
    raw = base64.b64decode(first_url.partition(",")[2])
    assert raw == (data / "pictures/0.png").read_bytes()
    assert words["text"].endswith("this sentence describes: thing 0")
    assert first == {
        "model": "m",
        "max_tokens": 99,
        "temperature": 0.7,
        "seed": 5,
        "reasoning_effort": "high",
        "top_p": 0.9,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    pictures = [first_url, *(body["messages"][-1]["content"][0]["image_url"]["url"] for body in bodies[1:])]
    changes = sum(one != other for one, other in pairwise(pictures))
    assert (len(pictures), changes) == (24, 3), "the questions of one picture come together"


def test_openai_s_name_for_the_limit(tmp_path: Path, data: Path) -> None:
    """Guards newer models, which refuse `max_tokens`, behind an address that does not say so."""
    assert target_limit("https://api.openai.com/v1") == "max_completion_tokens"
    assert target_limit("https://eu.api.openai.com/v1") == "max_completion_tokens"
    assert target_limit("http://api.openai.com.example.org/v1") == "max_tokens"
    keep = tmp_path / "kept"
    keep.mkdir()
    with served(tmp_path, says=BOX_ANSWER, keep=str(keep), unknown="max_tokens") as url:
        assert ask(url, data, tmp_path / "run").num_errors == 0
        assert asked(tmp_path)["400"] == 1
    last = json.loads(sorted(keep.iterdir())[-1].read_bytes())
    assert last["max_completion_tokens"] == 64
    assert "max_tokens" not in last


def target_limit(url: str) -> str:
    """What a server of this address calls the most new tokens."""
    from eval_mm.models.openai_target import _limit

    return _limit(url)


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
    data, out = write_data(tmp_path / "data", rows(60)), tmp_path / "run"
    impatient = Patience(tries=2, first=0.001, longest=0.001)
    with (
        served(tmp_path, dies_after=10, says=BOX_ANSWER) as url,
        pytest.raises(UserError, match=r"failed 20 questions in a row, the last: 2 tries failed, the last: "),
    ):
        ask(url, data, out, impatient, max_concurrency=4)
    lines = journal(out)
    assert sum(line["error"] is None for line in lines) == 10
    assert 20 <= len(lines) <= 40


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


def test_refused_answers_are_counted_apart(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the count of errors, which would be asked again for ever, and the scorer against their words."""
    out = tmp_path / "run"
    with served(tmp_path, says=None, further={"refusal": f"I cannot give {BOX_ANSWER}."}) as url:
        assert main(command(url, data, out)) == 0
        assert "refused to answer 24" in capsys.readouterr().err
        result = ask(url, data, out)
        assert asked(tmp_path)["ok"] == 24
    assert (result.num_errors, result.num_unparsed, result.config["num_refused"]) == (0, 24, 24)
    assert result.metrics["accuracy@0.5"].value == 0
    scores = (out / "refcoco_val/scores.jsonl").read_text().splitlines()
    assert json.loads(scores[0])["explanation"] == f"refused: I cannot give {BOX_ANSWER}."


def test_reasoning_is_kept_and_not_scored(data: Path, tmp_path: Path) -> None:
    """Guards the score against a box that was only considered; the journal has both."""
    says = f"<think>Perhaps (1,1),(2,2).</think>\n\n{BOX_ANSWER}"
    with served(tmp_path, says=says) as url:
        assert ask(url, data, tmp_path / "run").metrics["accuracy@0.5"].value == 100
    line = journal(tmp_path / "run")[0]
    assert (line["text"], line["reasoning"]) == (BOX_ANSWER, "Perhaps (1,1),(2,2).")
    assert "reasoning, not scored\n  'Perhaps (1,1),(2,2).'\n" in explain(tmp_path / "run", line["id"])
    assert (line["prompt_tokens"], line["new_tokens"]) == (700, 20)


def choices(url: str, out: Path, **changes: Any) -> Result:
    """The result of a benchmark of options under the protocol that ranks them."""
    settings = Settings(base_url=url, **changes)
    found = run("openai:m", ["scienceqa_test_img"], "demo", protocol="qwen-vl", out=out, settings=settings)
    return found.outcomes[0].result


def test_options_by_log_probabilities(tmp_path: Path) -> None:
    """Guards ranks through a chat turn: a name that says so; a server without ranks is found at once."""
    tops = [{"token": token, "logprob": number} for token, number in (("B", -0.1), (" A", -2.5))]
    logprobs = {"content": [{"token": "B", "logprob": -0.1, "top_logprobs": tops}]}
    with served(tmp_path, says="B", choice={"logprobs": logprobs}) as url:
        result = choices(url, tmp_path / "run")
    assert (result.prompt_protocol, result.score_protocol, result.num_errors) == (
        "qwen-vl+chat",
        "qwen-vl",
        0,
    )
    assert {line["choice_logprobs"][1] for line in journal(tmp_path / "run", "scienceqa_test_img")} == {-0.1}
    assert eval_mm.score(tmp_path / "run")[0] == result, "scored again without the server"
    made = len(calls(tmp_path))
    with (
        served(tmp_path, says="B") as url,
        pytest.raises(UserError, match="returns no log-probabilities"),
    ):
        choices(url, tmp_path / "other")
    assert len(calls(tmp_path)) == made + 1, "one call tells"


def test_own_words(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards a number of other words against passing for the protocol's, and its stored answers."""
    out, template = tmp_path / "run", tmp_path / "cot.txt"
    template.write_text("Where is {question}? Think first.\n")
    with served(tmp_path, says=BOX_ANSWER) as url:
        assert (
            main(command(url, data, out, "--prompt-template", str(template), "--max-new-tokens", "900")) == 0
        )
        shown = capsys.readouterr().out
        assert "prompt instruct+cot-" in shown
        assert "89.36" not in shown, "no published figure stands beside it"
        template.write_text("Where is {question}? Answer at once.")
        words = ("--prompt-template", str(template), "--system", "Be brief.")
        assert main(command(url, data, out, *words)) == 0
        assert asked(tmp_path)["ok"] == 48, "other words are another question"
    capsys.readouterr()
    assert main(["score", str(out)]) == 0
    assert "prompt instruct+cot-" in capsys.readouterr().out
    assert main(["explain", str(out), "s3"]) == 0
    told = capsys.readouterr().out
    assert "'Where is thing 3? Answer at once.'" in told
    assert "system text\n  'Be brief.'\n" in told
    config = json.loads((out / "refcoco_val/result.json").read_text())["config"]
    said = {"name": "cot", "template": "Where is {question}? Answer at once.", "system": "Be brief."}
    assert config["variant"] == said


BAD_SETTINGS = {
    "a unit that is needed": ([], "task refcoco_val: in which unit m writes coordinates is not known"),
    "pixels of a smaller picture": (
        ["--box-scale", "pixels", "--max-image-size", "9"],
        "say --box-scale resized",
    ),
    "a field that an option says": (
        ["--extra-body", '{"seed": 1}'],
        "'seed' is not for it; --generation-seed",
    ),
    "a field that changes the reply": (["--extra-body", '{"n": 2}'], "'n' is not for it"),
    "the key": (["--extra-body", json.dumps({"user": KEY})], "holds the key"),
    "a key as a name": (["--api-key-env", "sk-12-34"], "expected the name of an environment variable"),
    "a device": (["--device", "cuda"], "--device is not for --model openai:m"),
    "a protocol with tokens": (
        ["--protocol", "qwen-vl", "--box-scale", "999"],
        "--protocol instruct asks in words",
    ),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_cannot_be(
    case: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line before anything is asked; a key is not repeated in it."""
    options, said = BAD_SETTINGS[case]
    with served(tmp_path) as url:
        base = ["run", "--task", "refcoco_val", "--model", "openai:m", "--base-url", url, "--data", str(data)]
        assert main([*base, "--out", str(tmp_path / "run"), *options]) == 2
    line = one_error(capsys)
    assert said in line
    assert KEY not in line
    assert "sk-12-34" not in line
    assert calls(tmp_path) == []


@pytest.mark.parametrize("given", ["{", "[1]", '{"a": 1, "a": 2}', '{"a": NaN}', "top_p=1"])
def test_an_extra_body_must_be_an_object(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against half a wish being sent."""
    with pytest.raises(SystemExit):
        main(["run", "--task", "refcoco_val", "--model", "openai:m", "--extra-body", given])
    assert "argument --extra-body: expected a JSON object" in one_error(capsys)


def test_a_setting_of_a_server_is_not_for_other_models(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a temperature that nobody heard."""
    assert main(["run", "--task", "refcoco_val", "--model", "demo", "--temperature", "0.5"]) == 2
    assert "--temperature is not for --model demo" in one_error(capsys)


def test_pictures_that_cannot_be_read_are_errors_of_their_samples(data: Path, tmp_path: Path) -> None:
    """One bad file costs its questions alone, and nothing is sent for them."""
    (data / "pictures/1.png").unlink()
    with served(tmp_path, says=BOX_ANSWER) as url:
        result = ask(url, data, tmp_path / "run")
        assert asked(tmp_path)["ok"] == 18
    assert result.num_errors == 6
    errors = {line["error"] for line in journal(tmp_path / "run")}
    assert errors == {None, "pictures/1.png: no such image file"}


def test_from_python(data: Path, tmp_path: Path) -> None:
    """Guards the settings of a server in the Python form, and a name that is none."""
    with served(tmp_path, says=BOX_ANSWER) as url:
        how: dict[str, Any] = {"data": data, "out": tmp_path / "run", "base_url": url, "box_scale": "999"}
        (result,) = eval_mm.evaluate("openai:m", "refcoco_val", temperature="server", **how)
    assert result.config["settings"] == {"server": url}
    with pytest.raises(UserError, match="no setting is called 'base_urls'; there are device, dtype"):
        eval_mm.evaluate("openai:m", "refcoco_val", base_urls="x")
