"""Sweeps: what a TOML file may say, which run folders come of it, what one bad model does to the others."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eval_mm import models, sweep_file
from eval_mm.cli import main
from eval_mm.commands.run import EXAMPLES
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.schema import Backend
from eval_mm.sweep import sweep_jobs
from eval_mm.sweep_file import read_sweep
from tests.conftest import ROOT
from tests.eval_mm.support import BOX_ANSWER, rows, write_data

HEAD = 'tasks = ["refcoco_val"]\n'
ECHO = '[[models]]\nmodel = "echo"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands are started: a data root `data` with two tasks, and answers to one of them."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data", rows(6))
    write_data(tmp_path / "data", rows(4), task="refcoco_testA")
    Path("right.json").write_text(json.dumps({f"s{index}": BOX_ANSWER for index in range(6)}))
    Path("few.json").write_text(json.dumps({f"s{index}": BOX_ANSWER for index in range(5)}))
    return tmp_path


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were loaded."""
    loaded: list[str] = []
    load = models.load

    def counted(spec: str, settings: Settings) -> Backend:
        loaded.append(spec)
        return load(spec, settings)

    monkeypatch.setattr("eval_mm.models.load", counted)
    return loaded


def sweep(text: str, *options: str) -> int:
    """The exit code of a sweep."""
    Path("sweep.toml").write_text(text, encoding="utf-8")
    return main(["run", "--config", "sweep.toml", *options])


def run_folders() -> list[str]:
    return sorted(str(path.parent) for path in Path().glob("**/manifest.json"))


def test_every_model_is_asked_in_every_protocol_and_loaded_once(
    loads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights of 19 GB are read once, whatever is asked of them; two protocols never share a folder."""
    text = 'tasks = ["refcoco"]\nprotocols = ["qwen-vl", "instruct"]\nout = "runs"\n'
    text += '[[models]]\nmodel = "echo:right.json"\nname = "right"\n' + ECHO
    assert sweep(text) == 0
    assert loads == ["echo:right.json", "echo"]
    names = ("echo-instruct", "echo-qwen-vl", "right-instruct", "right-qwen-vl")
    assert run_folders() == [f"runs/{name}" for name in names]
    shown = capsys.readouterr()
    table = [line.split() for line in shown.out.splitlines() if line.startswith("runs/")]
    assert [(cells[0], cells[2], cells[4]) for cells in table] == [
        (run, task, value)
        for run, value in (
            ("runs/right-qwen-vl", "100.00"),
            ("runs/right-instruct", "100.00"),
            ("runs/echo-qwen-vl", "0.00"),
            ("runs/echo-instruct", "0.00"),
        )
        for task in ("refcoco_val", "refcoco_testA")
    ]
    assert "note: not prepared under data, left out: refcoco_testB" in shown.err
    assert "3 of 4: runs/echo-qwen-vl" in shown.err


def test_a_protocol_more_asks_nothing_again(loads: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A folder whose name depended on how many protocols there are would lose its answers to a second one."""
    text = HEAD + "protocols = [{}]\n" + ECHO
    assert sweep(text.format('"qwen-vl"')) == 0
    assert sweep(text.format('"instruct", "qwen-vl"')) == 0
    assert run_folders() == ["results/runs/echo-instruct", "results/runs/echo-qwen-vl"]
    assert "results/runs/echo-qwen-vl: 6 stored answers reused" in capsys.readouterr().out


def test_without_protocols_each_model_has_its_own() -> None:
    """And its folder is the one that `run --model` fills."""
    assert sweep(HEAD + ECHO) == 0
    assert run_folders() == ["results/runs/echo"]


ERRORS = {
    "nothing": ("", "sweep.toml: field 'models': expected a table [[models]]"),
    "no TOML": ("tasks = [", "sweep.toml: not valid TOML: "),
    "a key twice": (
        'tasks = ["a"]\ntasks = ["b"]\n' + ECHO,
        "not valid TOML: Cannot overwrite a value",
    ),
    "too deep": ("x = " + "[" * 3000 + "]" * 3000, "not valid TOML: "),
    "absurd number": ("limit = " + "9" * 5000 + "\n" + HEAD + ECHO, "not valid TOML: Exceeds the limit"),
    "unknown key": ("\ntask = 3\n" + ECHO, "sweep.toml:2: field 'task': unknown; did you mean tasks?"),
    "unknown key of a model": (
        HEAD + ECHO + ECHO + 'dtyp = "float32"\n',
        "sweep.toml:6: field 'dtyp': unknown; did you mean dtype?",
    ),
    "no tasks": (ECHO, "sweep.toml: field 'tasks': missing"),
    "tasks as text": (
        'tasks = "refcoco"\n' + ECHO,
        ":1: field 'tasks': expected a list of at least one text",
    ),
    "empty list": ("tasks = []\n" + ECHO, ":1: field 'tasks': expected a list of at least one text"),
    "task twice": ('tasks = ["mme", "mme"]\n' + ECHO, ":1: field 'tasks': 'mme' stands twice"),
    "unknown task": (
        '# x\ntasks = ["refcok"]\n' + ECHO,
        ":2: field 'tasks': unknown task 'refcok': did you mean",
    ),
    "unknown protocol": (
        HEAD + 'protocols = ["instrukt"]\n' + ECHO,
        ":2: field 'protocols': unknown protocol 'instrukt': did you mean instruct",
    ),
    "unknown metric": (HEAD + 'metrics = ["blue"]\n' + ECHO, ":2: field 'metrics': --metrics blue: none of"),
    "no such data": (HEAD + 'data = "nope"\n' + ECHO, ":2: field 'data': --data nope: no such folder"),
    "limit zero": (
        "limit = 0\n" + HEAD + ECHO,
        ":1: field 'limit': expected a whole number from 1 on, got 0",
    ),
    "limit true": ("limit = true\n" + HEAD + ECHO, ":1: field 'limit': expected a whole number from 1 on"),
    "seed below 0": (
        "sample = 2\nseed = -1\n" + HEAD + ECHO,
        ":2: field 'seed': expected a whole number from 0 on, got -1",
    ),
    "limit and sample": ("limit = 1\nsample = 2\n" + HEAD + ECHO, ":2: field 'sample': excludes limit"),
    "seed alone": ("seed = 1\n" + HEAD + ECHO, ":1: field 'seed': is for sample and few_shot"),
    "one table": (HEAD + '[models]\nmodel = "echo"\n', ":2: field 'models': is one table"),
    "no model": (HEAD + "[[models]]\n", "field 'model': missing in [[models]] 1"),
    "model a number": (
        HEAD + "[[models]]\nmodel = 3\n",
        ":3: field 'model': expected a text of one line, got 3",
    ),
    "a path as name": (HEAD + ECHO + 'name = "../x"\n', ":4: field 'name': expected the name of one folder"),
    "unknown dtype": (HEAD + ECHO + 'dtype = "int4"\n', ":4: field 'dtype': invalid choice: 'int4'"),
    "a list of devices": (HEAD + ECHO + 'device = ["cpu"]\n', ":4: field 'device': expected one value"),
    "tasks below the models": (
        ECHO + HEAD,
        ":3: field 'tasks': is of the whole sweep; put it above the first [[models]]",
    ),
    "limit of the last model": (HEAD + ECHO + ECHO + "limit = 3\n", ":6: field 'limit': is of the whole"),
    "only chats": (
        HEAD + 'protocols = ["instruct"]\n[[models]]\nmodel = "demo"\ndevice = "cpu"\n',
        "error: sweep.toml:4: field 'model': demo is a base model without a chat format",
    ),
    "not of this model": (HEAD + ECHO + "batch_tokens = 9\n", ":3: field 'model': --batch-tokens is not for"),
    "model twice": (
        HEAD + ECHO + ECHO + 'name = "b"\n',
        ":5: field 'model': echo with these settings stands twice",
    ),
    "one folder": (
        HEAD + '[[models]]\nmodel = "a/x"\n[[models]]\nmodel = "b/X"\n',
        ":5: field 'model': the run folder X is that of a/x (sweep.toml:3: field 'model') too",
    ),
    "out is a file": (HEAD + 'out = "right.json"\n' + ECHO, "--out right.json/echo: "),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_wrong_in_a_file_is_one_line(
    case: str, loads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """File, line and key are named, what is allowed is said, and nothing has begun."""
    text, message = ERRORS[case]
    assert sweep(text) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not loads
    assert not run_folders()


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not there, a folder, not text, far too large: one line each."""
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    Path("large.toml").write_text("#" * 2_000_000)
    for name in ("absent.toml", ".", "binary.toml", "large.toml"):
        assert main(["run", "--config", name]) == 2
        assert name in capsys.readouterr().err.splitlines()[0]
    Path("latin.toml").write_bytes(b"# \n# caf\xe9\n")
    assert main(["run", "--config", "latin.toml"]) == 2
    assert capsys.readouterr().err == "error: latin.toml:2: not UTF-8 text (byte 9)\n"


def test_all_models_are_found_or_none_is_run(loads: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A typo in the third model must not be found after a night with the first two."""
    text = HEAD + ECHO + '[[models]]\nmodel = "./absent"\n[[models]]\nmodel = "echo:absent.json"\n'
    assert sweep(text) == 2
    shown = capsys.readouterr().err
    assert "sweep.toml:5: field 'model': ./absent: no such folder" in shown
    assert "(and 1 more: --dry-run shows all)" in shown
    assert not loads
    assert not run_folders()
    assert sweep(text, "--dry-run") == 2
    assert "sweep.toml:7: field 'model': absent.json: cannot be read" in capsys.readouterr().err


def test_a_model_that_memory_is_too_small_for_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is tried once, not once a protocol; the others are measured; the exit code says that one was not."""
    tried: list[str] = []
    load = models.load

    def short(spec: str, settings: Settings) -> Backend:
        tried.append(spec)
        if spec == "echo":
            raise UserError("device cuda has no room for the weights")
        return load(spec, settings)

    monkeypatch.setattr("eval_mm.models.load", short)
    text = HEAD + 'protocols = ["qwen-vl", "instruct"]\n' + ECHO + '[[models]]\nmodel = "echo:right.json"\n'
    assert sweep(text + 'name = "right"\n') == 2
    shown = capsys.readouterr()
    assert tried == ["echo", "echo:right.json"]
    assert shown.err.count("has no room for the weights") == 2
    assert "error: results/runs/echo-qwen-vl: device cuda has no room" in shown.err
    assert sum("100.00" in line for line in shown.out.splitlines()) == 2


def test_the_exit_code_is_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    """Failed samples of one model must not hide behind the complete run of the last."""
    text = HEAD + '[[models]]\nmodel = "echo:few.json"\nname = "few"\n' + ECHO
    assert sweep(text) == 3
    assert (
        "error in a sample: results/runs/few: refcoco_val s5: the file has no answer"
        in capsys.readouterr().err
    )


def test_a_base_model_is_left_out_of_what_needs_a_chat_format(capsys: pytest.CaptureFixture[str]) -> None:
    """Base and chat models in one sweep: the pair that cannot be is said, and no error unless it is all."""
    text = HEAD + 'protocols = [{}]\n[[models]]\nmodel = "demo"\ndevice = "cpu"\n'
    assert sweep(text.format('"qwen-vl", "instruct"'), "--dry-run") == 0
    shown = capsys.readouterr()
    assert "note: results/runs/demo-instruct is left out: demo is a base model" in shown.err
    assert "results/runs/demo-qwen-vl" in shown.out
    assert sweep(text.format('"instruct"'), "--dry-run") == 2


def test_what_is_given_beside_the_file_takes_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """`--limit 2` tries a sweep out; what a sweep is about stands in the file alone."""
    text = 'sample = 5\nseed = 1\nout = "a"\n' + HEAD + ECHO
    assert sweep(text, "--limit", "2", "--out", "b") == 0
    (found,) = run_folders()
    assert found == "b/echo"
    entry = json.loads(Path(found, "manifest.json").read_text())["tasks"]["refcoco_val"]
    assert entry["selection"] == {"limit": 2, "sample": None, "seed": 1}
    Path("sweep.toml").write_text(HEAD + '[[models]]\nmodel = "demo"\ndtype = "bfloat16"\n')
    (table,) = read_sweep(Path("sweep.toml"), {}, {"dtype": "float16"}).models
    assert table.settings == Settings(dtype="float16")
    capsys.readouterr()
    refused = {"--model": "demo", "--protocol": "official", "--judge": "stub", "--judge-prompt": "p.json"}
    for option, value in refused.items():
        assert sweep(HEAD + ECHO, option, value) == 2
        assert f"error: {option} is not for --config" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        sweep(HEAD + ECHO, "--task", "mme")


def test_settings_are_read_as_the_options_are(tmp_path: Path) -> None:
    """A number in the file must be the number of the option, of the same type and range."""
    Path("sweep.toml").write_text(
        HEAD + '[[models]]\nmodel = "hf:x"\nbatch_tokens = 64\nbox_scale = "1000"\n'
    )
    (table,) = read_sweep(Path("sweep.toml")).models
    assert table.settings == Settings(batch_tokens=64, box_scale="1000")


def test_names_with_spaces_and_letters_of_any_script(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder is called as its model, whatever the model is called."""
    Path("räum e").mkdir()
    Path("räum e/名 前.json").write_text('{"s0": "x"}')
    assert (
        sweep(HEAD + 'limit = 1\nout = "räum e/läufe"\n[[models]]\nmodel = "echo:räum e/名 前.json"\n') == 0
    )
    assert run_folders() == ["räum e/läufe/名_前.json"]


def test_the_same_rows_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model and protocol has the same samples in memory, not a copy of its own."""
    text = HEAD + 'protocols = ["qwen-vl", "instruct"]\n[[models]]\nmodel = "echo:right.json"\n' + ECHO
    Path("sweep.toml").write_text(text)
    jobs = sweep_jobs(read_sweep(Path("sweep.toml"))).jobs
    assert len(jobs) == 4
    assert len({id(plan.dataset) for job in jobs for plan in job.planned.plans}) == 1


def test_several_processes_do_a_sweep_together(folder: Path) -> None:
    """Each loads a model once for all its folders, one prints the table, numbers are those of one alone."""
    text = 'tasks = ["refcoco"]\nprotocols = ["qwen-vl", "instruct"]\nout = "alone"\n' + ECHO
    assert sweep(text + '[[models]]\nmodel = "echo:right.json"\nname = "right"\n') == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "eval_mm", "run", "--config", "sweep.toml", "--out", "together"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("answers, scores and results: together/echo-qwen-vl") == 1
    results = sorted(Path("alone").rglob("result.json"))
    assert len(results) == 8
    for path in results:
        assert path.read_bytes() == Path("together", *path.parts[1:]).read_bytes()


def indented(text: str, by: int) -> str:
    """The lines of a text from its `tasks` on that stand in as far."""
    block = text[text.index(f"\n{' ' * by}tasks = ") + 1 :].split("\n")
    return "\n".join(line for line in block if line.startswith(" " * by))


@pytest.mark.parametrize("place", ["EVALUATION.md", "run --help", "sweep_file.py"])
def test_the_examples_are_sweeps(place: str) -> None:
    """What is shown is copied: it must be TOML, and every key in it known."""
    page = (ROOT / "EVALUATION.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shown = {
        "EVALUATION.md": block,
        "run --help": indented(EXAMPLES, 2),
        "sweep_file.py": indented(sweep_file.__doc__ or "", 4),
    }
    Path("sweep.toml").write_text(shown[place])
    sweep = read_sweep(Path("sweep.toml"))
    assert [table.name for table in sweep.models] == [None, "mine-step-2000"]
    assert sweep.models[0].settings == Settings(dtype="bfloat16")
    assert (sweep.tasks, sweep.protocols) == (("refcoco", "textvqa_val"), ("qwen-vl", "instruct"))
