"""The commands, as one types them."""

import csv
import json
from pathlib import Path

import pytest

import eval_mm
from eval_mm import cli as harness
from eval_mm.data import DEMO_ROOT
from tests.data_scripts.support import read_jsonl
from tests.serving import KEY, asked, served
from tests.touchstone.support import journal, rows, write_run
from touchstone import cli

Capture = pytest.CaptureFixture[str]


def test_run_and_judge_in_one_command(tmp_path: Path, capsys: Capture) -> None:
    """Guards the embedded default: the bundled rows, no key, and numbers nobody can take for a judgement."""
    out = tmp_path / "run"
    command = ["run", "--task", "touchstone_en", "--model", "echo", "--data", "demo", "--out", str(out)]
    assert harness.main(command) == 0
    assert "not judged" in capsys.readouterr().out
    assert harness.main([*command, "--judge", "stub"]) == 0
    said = capsys.readouterr()
    assert "touchstone_score" in said.out
    assert "DEMO" in said.out
    assert "no judgement of quality" in said.err
    assert cli.main(["report", str(out)]) == 0
    assert cli.main(["agreement", str(out), str(out)]) == 0
    assert "rank correlation" in capsys.readouterr().out


def test_the_bundled_rows_have_every_part(tmp_path: Path) -> None:
    """Guards the demo: every dimension and sub-task has a number, and the reference answers beat an echo."""
    out = tmp_path / "run"
    eval_mm.evaluate("echo", "touchstone_en,touchstone_zh", "demo", out=out)
    import touchstone

    first, second = (verdict.result for verdict in touchstone.judge(out, "stub", data="demo"))
    for kind, number in (("dimension", 5), ("task", 27)):
        assert sum(f"/{kind}=" in name for name in first.metrics) == number
    assert first.metrics["touchstone_score/reference"].value > 3 * first.metrics["touchstone_score"].value
    assert second.metrics["touchstone_score"].value >= 100
    assert (first.demo, first.complete, second.complete) == (True, False, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--judge", "gpt-4o"], "needs a key in the environment"),
        (["--judge", ""], "--judge is empty"),
        (["--judge", "stub", "--judge-prompt", "none.json"], "--judge-prompt none.json: cannot be read"),
        (["--judge-base-url", "http://x"], "--judge-base-url is for --judge MODEL"),
    ],
)
def test_a_judge_that_cannot_be_is_said_first(
    options: list[str], said: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards hours of a model's time against a judge without a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    out = tmp_path / "run"
    command = ["run", "--task", "touchstone_en", "--model", "echo", "--data", "demo", "--out", str(out)]
    assert harness.main([*command, *options]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_judge_of_nothing(capsys: Capture) -> None:
    """Guards against --judge that would be ignored."""
    assert harness.main(["run", "--task", "refcoco_val", "--judge", "stub"]) == 2
    assert "--judge is for touchstone_en and touchstone_zh" in capsys.readouterr().err


def test_the_official_table(tmp_path: Path, capsys: Capture) -> None:
    """Guards export and import: the table of a run, judged elsewhere, gives the very same numbers."""
    odd = {"0": 'two\nlines\tand a "quote"', "1": "carriage\rreturn", "2": "", "3": "NA"}
    run = write_run(tmp_path, 4, answers=odd)
    table = run / "touchstone_en/submission.tsv"
    with table.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t"))
    assert list(found[0]) == [
        *("index", "question", "human_annotation", "gpt4_ha_answer", "category", "task_name", "response"),
    ]
    assert {row["index"]: row["response"] for row in found} == odd
    assert found[1]["gpt4_ha_answer"] == rows(4)[1]["reference_answer"]
    other, data = tmp_path / "other", str(tmp_path / "data")
    assert cli.main(["judge", str(run), "--judge", "stub"]) == 0
    assert cli.main(["judge", str(table), "--judge", "stub", "--data", data, "--out", str(other)]) == 0
    first, second = (
        json.loads(next((where / "touchstone_en").glob("result.judge-*.json")).read_text())
        for where in (run, other)
    )
    assert first["metrics"] == second["metrics"]
    assert (first["prompt_protocol"], second["prompt_protocol"]) == ("qwen-vl", "unknown")
    assert second["model"] == "submission"
    capsys.readouterr()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("What is thing 1?", "What is it?"), "asks another thing than question 1 of the data"),
        (('"1"\t', '"7"\t'), "7"),
        (("response", "answer"), "the table has no column 'response'"),
        (('"1"\t', '"0"\t'), "another thing than question 0"),
    ],
)
def test_tables_that_cannot_be(change: tuple[str, str], said: str, tmp_path: Path, capsys: Capture) -> None:
    """Guards against answers to other questions; one line names the file."""
    run = write_run(tmp_path, 3)
    table = tmp_path / "x.tsv"
    table.write_text((run / "touchstone_en/submission.tsv").read_text().replace(*change, 1))
    command = ["judge", str(table), "--judge", "stub", "--data", str(tmp_path / "data")]
    assert cli.main(command) == 2
    assert "needs --out DIR" in capsys.readouterr().err
    assert cli.main([*command, "--out", str(tmp_path / "o")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert str(table) in line


def test_nothing_is_spent_unasked(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the user's money: the plan is told first, and without --yes nobody's silence is a yes."""
    monkeypatch.setenv("THEIR_KEY", KEY)
    run = write_run(tmp_path, 3)
    with served(tmp_path, key=KEY) as url:
        command = ["judge", str(run), "--judge", "m", "--base-url", url, "--api-key-env", "THEIR_KEY"]
        command += ["--price-in", "2", "--price-out", "8"]
        assert cli.main([*command, "--dry-run"]) == 0
        plan = capsys.readouterr().out
        assert "6 calls to make, 0 judgements are there" in plan
        assert "cost: about $0.0" in plan
        monkeypatch.setattr("sys.stdin.isatty", lambda: False)
        assert cli.main(command) == 2
        assert "--yes goes on without a question" in capsys.readouterr().err
        assert not (tmp_path / "server.log").exists() or not asked(tmp_path)
        assert cli.main([*command, "--yes"]) == 0
        assert "spent $" in capsys.readouterr().out
        assert len(journal(run)) == asked(tmp_path)["ok"] == 6


def test_a_wrong_key_is_one_line(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the command line against a traceback and against showing the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-1")
    run = write_run(tmp_path, 3)
    capsys.readouterr()
    with served(tmp_path, key=KEY) as url:
        assert cli.main(["judge", str(run), "--judge", "m", "--yes", "--base-url", url]) == 2
    ended = capsys.readouterr()
    (line,) = ended.err.splitlines()
    assert line.startswith("error: the judge's server refuses the key in $OPENAI_API_KEY: 401")
    assert "sk-wrong-1" not in ended.err + ended.out


def test_several_judges_of_a_run(tmp_path: Path, capsys: Capture) -> None:
    """Guards against mixing judges: who means one of several names it."""
    run = write_run(tmp_path, 2)
    assert cli.main(["report", str(run)]) == 2
    assert "not judged; python -m touchstone judge RUN" in capsys.readouterr().err
    for repeat in ("0", "1"):
        assert cli.main(["judge", str(run), "--judge", "stub", "--repeat", repeat]) == 0
    hashes = sorted(path.stem for path in (run / "touchstone_en/judge").glob("*.jsonl"))
    assert len(hashes) == 2
    assert cli.main(["report", str(run)]) == 2
    assert f"several judges; name one of {hashes[0]} (stub), {hashes[1]} (stub)" in capsys.readouterr().err
    assert cli.main(["report", str(run), "--judge", hashes[0][:6]]) == 0
    assert cli.main(["agreement", str(run), str(run), "--judge-a", hashes[0], "--judge-b", hashes[1]]) == 0
    assert cli.main(["report", str(run), "--judge", "zz"]) == 2


def test_what_the_rows_are_of_is_bundled() -> None:
    """Guards the demo rows against a picture that is not shipped."""
    for name in ("touchstone_en", "touchstone_zh"):
        for row in read_jsonl(DEMO_ROOT / f"touchstone/{name}.jsonl"):
            assert all((DEMO_ROOT / image).is_file() for image in row["images"])
