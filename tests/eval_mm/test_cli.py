"""The command line as a user meets it: exit codes, one-line errors, tables."""

import errno
import json
import runpy
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import eval_mm
from eval_mm.cli import main
from eval_mm.console import guarded
from eval_mm.report.table import results_table
from tests.eval_mm.support import BOX_ANSWER, ScriptedModel, rows, write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", rows(6))


def answers(folder: Path, **texts: str) -> str:
    """An echo model of a file."""
    path = folder / "answers.json"
    path.write_text(json.dumps({f"s{index}": BOX_ANSWER for index in range(6)} | texts))
    return f"echo:{path}"


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def test_run_prints_a_table(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Value, error bar, counts, seconds, the published figure, and what keeps it from being comparable."""
    model = answers(tmp_path, s5="(0,0),(1,1)", s4="?")
    code = main(
        ["run", "--task", "refcoco_val", "--model", model, "--data", str(data), "--out", str(tmp_path / "r")]
    )
    shown = capsys.readouterr().out.splitlines()
    assert code == 0
    head = "model task metric value ± stderr n unparsed errors seconds Qwen-VL-7B note"
    assert " ".join(shown[0].split()) == head
    cells = shown[2].replace(", 99.86]", ",99.86]").split()
    assert cells[:4] == ["echo", "refcoco_val", "accuracy@0.5", "66.67"]
    assert cells[4].endswith(",99.86]"), "pictures that agree have an interval, not an error of 0"
    assert cells[5:8] == ["6", "1", "0"]
    assert cells[9] == "89.36"
    assert shown[2].endswith("partial: 6 of 10,834, qwen-vl")
    assert shown[-1] == f"answers, scores and results: {tmp_path / 'r'}"


def test_an_error_in_a_sample_is_exit_code_3(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ends, the number is there, and the code says that it is not whole."""
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"s0": BOX_ANSWER}))
    command = ["run", "--task", "refcoco_val", "--model", f"echo:{path}", "--data", str(data)]
    code = main([*command, "--out", str(tmp_path / "r")])
    shown = capsys.readouterr()
    assert code == 3
    assert "error in a sample: refcoco_val s1: the file has no answer for this id" in shown.err
    assert "refcoco_val and 2 more" in shown.err
    assert "failed samples: 5; they count as wrong" in shown.err
    assert "16.67" in shown.out


def test_score_and_score_of_a_file(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both print the same table as the run."""
    model = answers(tmp_path)
    main(
        ["run", "--task", "refcoco_val", "--model", model, "--data", str(data), "--out", str(tmp_path / "r")]
    )
    capsys.readouterr()
    assert main(["score", str(tmp_path / "r")]) == 0
    assert "100.00" in capsys.readouterr().out
    file = model.removeprefix("echo:")
    assert main(["score", "--task", "refcoco_val", "--predictions", file, "--data", str(data)]) == 0
    assert "prompt unknown, scorer qwen-vl" in capsys.readouterr().out


USAGE_ERRORS = {
    "no command": [],
    "no task": ["run"],
    "unknown option": ["run", "--task", "refcoco", "--lmit", "3"],
    "limit zero": ["run", "--task", "refcoco", "--limit", "0"],
    "limit a word": ["run", "--task", "refcoco", "--limit", "ten"],
    "limit and sample": ["run", "--task", "refcoco", "--limit", "1", "--sample", "2"],
    "dtype": ["run", "--task", "refcoco", "--dtype", "int4"],
    "unknown command": ["evaluate"],
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_usage_errors(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and exit code 2, not half a page of usage."""
    with pytest.raises(SystemExit) as ended:
        main(USAGE_ERRORS[case])
    assert ended.value.code == 2
    assert "--help explains" in one_error(capsys)


def test_an_unknown_task_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A typo gets its correction."""
    assert main(["run", "--task", "refcoco_tesA", "--model", "echo"]) == 2
    assert "unknown task 'refcoco_tesA': did you mean refcoco_testA" in one_error(capsys)
    assert main(["run", "--task", "REFCOCO", "--model", "echo"]) == 2
    assert "did you mean refcoco" in one_error(capsys)


def test_bad_input_is_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad rows, a missing data root, an unprepared task, a missing checkpoint: exit code 2, no traceback."""
    row = {**rows(1)[0], "box": [1, 2, 3]}
    write_data(tmp_path / "bad", [row])
    base = ["run", "--task", "refcoco_val", "--model", "echo", "--out", str(tmp_path / "r")]
    assert main([*base, "--data", str(tmp_path / "bad")]) == 2
    assert "refcoco_val.jsonl:1: field 'box': expected 4 numbers" in one_error(capsys)
    assert main([*base, "--data", str(tmp_path / "none")]) == 2
    assert "no such folder" in one_error(capsys)
    assert main([*base, "--task", "refcoco_testA", "--data", str(data)]) == 2
    assert "is not prepared here" in one_error(capsys)
    assert main(["run", "--task", "refcoco_val", "--model", "echo:absent.json", "--data", str(data)]) == 2
    assert "absent.json: cannot be read" in one_error(capsys)
    assert main(["score", str(tmp_path)]) == 2
    assert "no run folder" in one_error(capsys)


def test_texts_of_files_do_not_steer_the_terminal(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id with a line end and an escape sequence stays one harmless line."""
    path = tmp_path / "answers.json"
    path.write_text(json.dumps([{"id": "a\nb\x1b[31m", "text": "x"}]))
    assert main(["score", "--task", "refcoco_val", "--predictions", str(path), "--data", str(data)]) == 2
    assert "\x1b" not in one_error(capsys)


def test_the_demo_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers on demo data carry a line nobody overlooks and a mark in the table."""
    code = main(
        ["run", "--task", "refcoco_val", "--model", "echo", "--data", "demo", "--out", str(tmp_path / "r")]
    )
    shown = capsys.readouterr()
    assert code == 0
    assert "*** DEMO DATA: the numbers below try out the program and measure nothing." in shown.err
    assert "DEMO, partial" in shown.out
    assert json.loads((tmp_path / "r/refcoco_val/result.json").read_text())["demo"] is True


def test_list_shows_what_is_prepared(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a task; families can be asked for."""
    assert main(["list", "refcoco", "--data", str(data)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[2:5]] == ["refcoco_val", "refcoco_testA", "refcoco_testB"]
    assert shown[2].endswith("prepared")
    assert shown[3].endswith("-")
    assert main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 11


@pytest.mark.parametrize("command", [[], ["run"], ["score"], ["list"]])
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every help text ends with examples, and each example is a valid command."""
    from eval_mm.cli import build_parser

    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    examples = [
        line.split("   ")[0].split()[3:]
        for line in capsys.readouterr().out.splitlines()
        if line.strip().startswith("python -m eval_mm ")
    ]
    assert len(examples) >= 2
    for example in examples:
        build_parser().parse_args(example)


def test_help_of_check_is_of_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """It listed options that it always refuses, and another default of --data than the run's own."""
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    shown = capsys.readouterr().out
    assert "data root (default the one of the run)" in shown
    assert "--prompt-template" not in shown
    assert "other words" not in shown


def test_an_interrupt_is_exit_code_130(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C says that nothing is lost."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eval_mm.run.fill", interrupt)
    assert main(["run", "--task", "refcoco_val", "--model", "echo", "--data", str(data)]) == 130
    assert "goes on" in capsys.readouterr().err


def test_a_closed_pipe_is_no_traceback() -> None:
    """`list | head -1` must not end in BrokenPipeError."""
    command = f"{sys.executable} -m eval_mm list | head -1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert ended.stdout.startswith("task")


def test_a_label_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A question type with an escape code or a line end would forge a row of the table."""
    label = "evil\x1b[2J\nvqa_accuracy/fake 100.00"
    line = {
        "id": "0",
        "image": "pictures/0.png",
        "question": "Q?",
        "answers": ["x"] * 10,
        "question_type": label,
    }
    data = write_data(tmp_path / "data", [line], "vqav2_val")
    command = ["run", "--task", "vqav2_val", "--model", "echo", "--data", str(data), "--breakdowns"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "evil [2J vqa_accuracy/fake" in shown


def test_a_composite_task_is_listed_as_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no file of its own, but its parts have."""
    assert main(["list", "chartqa_test", "--data", "demo"]) == 0
    assert " demo" in capsys.readouterr().out.splitlines()[2]


def test_a_judge_that_costs_is_agreed_to_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a batch job nobody can say yes: better told before the model answers than after."""
    monkeypatch.setenv("OPENAI_API_KEY", "no-key")
    command = ["run", "--task", "touchstone_en", "--model", "echo", "--data", "demo", "--judge", "gpt-4o"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "nobody is there to be asked" in error
    assert "--yes" in error
    assert not (tmp_path / "run").exists()


GUESSED = {
    "option": (
        ["run", "--tsk", "refcoco"],
        "unknown option --tsk; did you mean --task? (python -m eval_mm run",
    ),
    "option before a verb": (["--verson"], "unknown option --verson; did you mean --version?"),
    "verb": (["rnu"], "invalid choice: 'rnu' (did you mean run? choose from run, score"),
    "choice": (["run", "--task", "a", "--dtype", "bfloat"], "(did you mean bfloat16? choose from auto"),
    "argument": (["list", "--data", "x", "a", "--limit=3"], "unknown option --limit"),
    "seed": (["run", "--task", "a", "--seed", "x"], "--seed: expected a whole number, got 'x'"),
}


@pytest.mark.parametrize("case", GUESSED)
def test_what_is_mistyped_is_guessed(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--tsk` was answered with what is missing for want of it, and with the help of another verb."""
    command, message = GUESSED[case]
    with pytest.raises(SystemExit):
        main(command)
    assert message in one_error(capsys)


def test_values_may_look_like_options(capsys: pytest.CaptureFixture[str]) -> None:
    """A system text that begins with two dashes is a value; behind -- all are."""
    from eval_mm.cli import build_parser

    given = build_parser().parse_args(["run", "--task", "a", "--system=--x", "--out", "--a b"])
    assert (given.system, given.out) == ("--x", "--a b")
    assert build_parser().parse_args(["list", "--", "--x"]).tasks == ["--x"]


ASKED_WRONG = {
    "--metrics spicy": (["nocaps_val", "--metrics", "spicy"], "did you mean spice? they have bleu"),
    "--metrics for others": (["refcoco_val", "--metrics", "spice"], "has it; captions have bleu"),
    "--few-shot": (["refcoco", "--few-shot", "1"], "can be asked: without a few-shot form"),
    "--limit of what is absent": (["okvqa_val,vqa", "--few-shot", "99"], "rows, too few for --few-shot 99"),
}


@pytest.mark.parametrize("case", ASKED_WRONG)
def test_what_cannot_be_asked_says_why(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two reasons the one that holds, and what there is in place of it."""
    given, message = ASKED_WRONG[case]
    assert main(["run", "--model", "echo", "--data", "demo", "--task", *given]) == 2
    assert message in one_error(capsys)


def test_a_file_named_as_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest task is no help to who has rows of their own."""
    path = tmp_path / "my.jsonl"
    path.write_text("")
    assert main(["run", "--task", str(path), "--model", "echo"]) == 2
    assert f"is asked as --task file:{path} --metric M" in one_error(capsys)


def test_stored_answers_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a task is a screen of them for a family; parts must not count again in their whole."""
    for task in ("chartqa_test_human", "chartqa_test_augmented"):
        row = {"id": "a", "image": "pictures/0.png", "question": "Q?", "answers": ["x"]}
        write_data(tmp_path / "data", [row], task)
    command = ["run", "--model", "echo", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    for task, told in (
        ("chartqa_test", ""),
        ("chartqa_test", "2 stored answers reused in 2 tasks"),
        ("chartqa_test_human", "1 stored answer reused"),
    ):
        assert main([*command, "--task", task]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if "reused" in line] == ([told] if told else [])


def test_a_full_disk_says_that_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """Who sees "No space left on device" wants to know what became of the night's answers."""

    def fill() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "run/predictions.rank0.jsonl")

    assert guarded(fill, "all are kept") == 2
    assert one_error(capsys).endswith("rank0.jsonl: No space left on device; all are kept")


def test_an_interrupt_while_modules_are_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the first moment was Python's traceback."""

    def interrupt() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("eval_mm.cli.main", interrupt)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("eval_mm", run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr().err.split() == ["interrupted"]


@pytest.mark.parametrize("then", ["fails", "goes on"])
def test_an_interrupt_that_a_library_swallows(
    then: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while torch was imported left half of numpy: a traceback, or a run of nothing but errors."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def load(*_: object) -> ScriptedModel:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        if then == "fails":
            raise AttributeError("module 'numpy' has no attribute 'matrix'")
        return ScriptedModel()

    monkeypatch.setattr("eval_mm.jobs.Job.load", load)
    out = tmp_path / "run"
    try:
        told = ["run", "--task", "refcoco_val", "--model", "echo", "--data", str(data), "--out", str(out)]
        assert main(told) == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "the same command goes on" in capsys.readouterr().err
    assert not list(out.glob("*/predictions.*"))


def test_a_narrow_terminal(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines that a terminal breaks are no table: empty columns go, then notes; all numbers stay."""
    command = ["--task", "refcoco_val", "--model", answers(tmp_path, s5="(0,0),(1,1)"), "--data", str(data)]
    assert main(["run", *command, "--out", str(tmp_path / "r")]) == 0
    results = eval_mm.score(tmp_path / "r")
    wide = results_table(results, [1.0])
    assert wide.splitlines()[0].split()[-6:] == ["n", "unparsed", "errors", "seconds", "Qwen-VL-7B", "note"]
    assert results_table(results, [1.0], width=len(wide.splitlines()[1])) == wide
    head, _, line = results_table(results, [None], width=100).splitlines()
    assert head.split()[-3:] == ["n", "Qwen-VL-7B", "note"]
    assert line.endswith("89.36  partial: 6 of 10,834, qwen-vl")
    head, _, line, note = results_table(results, [None], width=80).splitlines()
    assert head.split()[-2:] == ["n", "Qwen-VL-7B"]
    assert max(map(len, (head, line, note))) <= 80
    assert note == "echo refcoco_val: partial: 6 of 10,834, qwen-vl"
