"""Models behind a server, `--model openai:NAME`: what is sent, what is read, what is recorded and refused."""

import asyncio
import base64
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import eval_mm
from eval_mm import models
from eval_mm.calls.patience import Patience
from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.explain import explain
from eval_mm.models import Settings
from eval_mm.run import run
from eval_mm.schema import Request, Result
from tests.data_scripts.support import tree
from tests.eval_mm.behind_a_server import ask, backend, command, journal, one_error
from tests.eval_mm.support import BOX_ANSWER, rows, write_data
from tests.serving import KEY, asked, calls, served


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(24, images=4))


def test_inside_an_event_loop(data: Path, tmp_path: Path) -> None:
    """Guards notebooks: they have a loop already, and two in one thread are an error."""

    async def notebook(url: str) -> Result:
        return ask(url, data, tmp_path / "run")

    with served(tmp_path, says=BOX_ANSWER) as url:
        assert asyncio.run(notebook(url)).num_errors == 0


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


def test_the_size_of_pictures_is_asked_for_anew(data: Path, tmp_path: Path) -> None:
    """Answers given before anyone noted sizes stood as unparsed under --box-scale resized: 0 per cent."""
    out = tmp_path / "run"
    with served(tmp_path, says=BOX_ANSWER) as url:
        for scale, made in (("1000", 24), ("999", 24), ("resized", 48), ("resized", 48)):
            result = ask(url, data, out, box_scale=scale)
            assert asked(tmp_path)["ok"] == made, scale
    assert result.num_unparsed == 0


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
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path / "run"), "--format", "html", "--out", str(page)]) == 0
    assert '"h":"Perhaps (1,1),(2,2)."' in page.read_text(encoding="utf-8")


HOSTILE: dict[str, tuple[int, str, str]] = {
    "depth": (200, "[" * 200_000, "no JSON"),
    "long numbers": (200, '{"usage": ' + "9" * 5_000 + "}", "no JSON"),
    "another's fault": (200, '{"error": {"message": "up\\nstream"}}', "reply is an error: up stream"),
    "a code that is none": (400, '{"error": {"message": "bad", "code": ["a"]}}', "400 bad"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_replies_that_once_ended_the_run(case: str, tmp_path: Path) -> None:
    """A traceback in place of an error of that sample; what a gateway says is said to the user."""
    status, body, said = HOSTILE[case]
    with served(tmp_path, replies=[status, body]) as url:
        asked_once = [Request("1", ("q",), chat=True)]
        (answer,) = backend(url, Patience(tries=2, first=0.001)).generate(asked_once)
    assert said in str(answer.error)


def test_one_reply_without_ranks(tmp_path: Path) -> None:
    """An empty answer among others once ended the run, and every later try of it."""
    ranked = {"content": [{"top_logprobs": [{"token": "A", "logprob": -1.0}]}]}
    with served(tmp_path, choice={"logprobs": ranked}, breaks="never") as url:
        model = backend(url)
        first = [Request("1", ("q",), (" A", " B"), chat=True)]
        assert [answer.choice_logprobs for answer in model.generate(first)] == [(-1.0, -1.0)]
    port = int(url.rpartition(":")[2].partition("/")[0])
    with served(tmp_path, choice={"logprobs": None}, port=port):
        (answer,) = model.generate(first)
    assert "returns no log-probabilities" in str(answer.error)


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
    "the key in escapes": (["--extra-body", '{"user": "\\u0073' + KEY[1:] + '"}'], "holds the key"),
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


def test_from_python(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the settings of a server in the Python form, and a name that is none."""
    with served(tmp_path, says=BOX_ANSWER) as url:
        how: dict[str, Any] = {"data": data, "out": tmp_path / "run", "base_url": url, "box_scale": "999"}
        (result,) = eval_mm.evaluate("openai:m", "refcoco_val", temperature="server", **how)
        assert result.config["settings"] == {"server": url}
        found = [models.describe("openai:m", Settings(base_url=url, temperature=zero)) for zero in (0, 0.0)]
        assert found[0].fingerprint == found[1].fingerprint, "Python's 0 is the command line's 0.0"
        word = Settings(base_url=url, extra_body='{"tool_choice": "none"}')
        monkeypatch.delenv("OPENAI_API_KEY")
        assert models.describe("openai:m", word).settings["extra_body"] == {"tool_choice": "none"}
        with pytest.raises(UserError, match="--extra-body: expected a JSON object: NaN is no JSON"):
            models.describe("openai:m", Settings(base_url=url, extra_body='{"a": NaN}'))
    spoilt: list[dict[str, Any]] = [{"max_concurrency": 0}, {"tries": 0}, {"timeout": 0}, {"temperature": 3}]
    for one in spoilt:
        with pytest.raises(UserError, match=f"{next(iter(one))}: expected"):
            Settings(**one)
    with pytest.raises(UserError, match="no setting is called 'base_urls'; there are device, dtype"):
        eval_mm.evaluate("openai:m", "refcoco_val", base_urls="x")
