"""`explain`: the whole story of one answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval_mm.cli import main
from eval_mm.errors import UserError
from eval_mm.explain import explain
from eval_mm.run import run
from tests.eval_mm.support import ScriptedModel, write_data


def row(name: str, question: str = "What is it?", **fields: Any) -> dict[str, Any]:
    return {"id": name, "image": "pictures/0.png", "question": question, **fields}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run of two tasks: VQA with disagreeing annotators, and a split without public answers."""
    data = write_data(tmp_path / "data", [row("v", answers=["two", "2 cats"] * 5)], "vqav2_val")
    write_data(data, [row("t", "Odd \u202e one?")], "vizwiz_test")
    run(
        ScriptedModel(lambda request: " The two, cats.\x1b[2J"),
        ["vqav2_val", "vizwiz_test"],
        data,
        out=tmp_path / "run",
    )
    return tmp_path / "run"


def test_every_step_of_judging_is_shown(out: Path) -> None:
    """Prompt, raw answer, references with their counts, and each named step under each scorer."""
    shown = explain(out, "v")
    assert "<picture> 'What is it? Answer:'" in shown
    assert "pictures/0.png (20 x 20 pixels, PNG)" in shown
    assert "'two' x 5" in shown
    for name in ("qwen-vl", "official", "instruct"):
        assert f"by the scorer of protocol {name}" in shown
    official = shown.partition("protocol official")[2].partition("by the scorer")[0]
    assert "punctuation" in official
    assert "reference '2 cats'" in official
    assert "score 0\n" in official


def test_control_characters_stay_text(out: Path) -> None:
    """A model's answer must not clear the reader's terminal."""
    assert "\x1b" not in explain(out, "v")
    assert "\\x1b[2J" in explain(out, "v")
    assert "\u202e" not in explain(out, "t")


def test_captions_show_their_tokens(tmp_path: Path) -> None:
    """CIDEr compares tokens, not the text one reads."""
    captions = [{"id": name, "image": "pictures/1.png", "captions": ["A man, riding."]} for name in "cd"]
    data = write_data(tmp_path / "data", captions, "nocaps_val")
    run(ScriptedModel(lambda request: " A man riding"), ["nocaps_val"], data, out=tmp_path / "run")
    shown = explain(tmp_path / "run", "c")
    assert "PTB tokens: 'a man riding'" in shown
    assert "CIDEr-D" in shown


def test_without_public_answers_nothing_is_judged(out: Path) -> None:
    """No score is made up where there is no reference."""
    shown = explain(out, "t")
    assert "references\n  not public" in shown
    assert "by the scorer" not in shown


def test_which_sample_is_meant(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown ids, ids of two tasks and unknown tasks end in one line that helps."""
    with pytest.raises(UserError, match=r"no sample has the id 'x' \(ids are like v, t\)"):
        explain(out, "x")
    with pytest.raises(UserError, match="the run has no task okvqa_val; it has vqav2_val, vizwiz_test"):
        explain(out, "v", task="okvqa_val")
    write_data(tmp_path / "data", [row("v", answers=["x"])], "okvqa_val")
    run(ScriptedModel(lambda r: "x"), ["okvqa_val"], tmp_path / "data", out=out)
    with pytest.raises(UserError, match="'v' is in vqav2_val, okvqa_val; name one with --task"):
        explain(out, "v")
    assert main(["explain", str(out), "v", "--task", "okvqa_val"]) == 0
    assert "task okvqa_val, sample v, model scripted" in capsys.readouterr().out


def test_a_lost_answer_is_said(out: Path) -> None:
    """A journal without this answer is no reason for a traceback."""
    journal = out / "vqav2_val/predictions.rank0.jsonl"
    journal.write_text("", encoding="utf-8")
    assert "no answer to this very question is stored" in explain(out, "v")


def test_an_error_is_shown(out: Path) -> None:
    """Why a sample failed is part of its story."""
    journal = out / "vqav2_val/predictions.rank0.jsonl"
    answer = json.loads(journal.read_text(encoding="utf-8"))
    journal.write_text(json.dumps({**answer, "error": "out of memory"}) + "\n", encoding="utf-8")
    shown = explain(out, "v")
    assert "error: out of memory" in shown
    assert "by the scorer" not in shown


def test_a_missing_picture_is_said(out: Path, tmp_path: Path) -> None:
    """The story can be told on a machine without the pictures."""
    (tmp_path / "data/pictures/0.png").unlink()
    assert "0.png (cannot be read: No such file or directory)" in explain(out, "v")


def test_ranked_letters_and_members(tmp_path: Path) -> None:
    """A scorer of texts has nothing to say of ranked letters; ids of a composite task are found."""
    choices: dict[str, Any] = {"choices": ["fox", "owl"], "answer": 1, "category": "1"}
    data = write_data(tmp_path / "data", [row("1:1", **choices)], "seedbench_image")
    write_data(data, [row("2:10", **{**choices, "category": "10"})], "seedbench_video")
    assert (
        main(
            [
                "run",
                "--task",
                "seedbench",
                "--model",
                "echo",
                "--data",
                str(data),
                "--out",
                str(tmp_path / "r"),
            ]
        )
        == 0
    )
    for name in ("1:1", "seedbench_image/1:1"):
        shown = explain(tmp_path / "r", name)
        assert "options that were ranked\n  ' A'\n  ' B'" in shown
        assert "by the scorer of protocol instruct\n  not judged: these answers are ranked options" in shown


def test_an_error_steers_no_terminal(out: Path) -> None:
    """Texts of files and models are shown, never obeyed."""
    journal = out / "vqav2_val/predictions.rank0.jsonl"
    answer = json.loads(journal.read_text(encoding="utf-8"))
    journal.write_text(json.dumps({**answer, "error": "bad\x1b[2J\nfile"}) + "\n", encoding="utf-8")
    assert "error: bad [2J file" in explain(out, "v")


def test_a_yes_is_shown_as_a_word(tmp_path: Path) -> None:
    """The reference of a yes/no question is one text, not a list of its letters."""
    rows = [row(name, answer="Yes", category="count") for name in "ab"]
    data = write_data(tmp_path / "data", rows, "mme")
    run(ScriptedModel(lambda request: "Yes"), ["mme"], data, out=tmp_path / "run")
    assert "references\n  'yes'\n" in explain(tmp_path / "run", "a")
