"""Back ends of the user's own: `--model py:module:Class`, and the page on writing one."""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import eval_mm
from eval_mm import models
from eval_mm.cli import build_parser, main
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.schema import Request
from tests.eval_mm.support import rows, write_data

PAGE = Path(__file__).parents[2] / "docs/writing-a-back-end.md"

HEAD = """
from eval_mm.schema import ModelInfo, Prediction

class Model:
    info = ModelInfo("mine", "f1", box_scale="999")

    def generate(self, requests):
"""

GOOD = """
        for request in requests:
            yield Prediction(request.id, "(100,200),(500,600)")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, from which modules are imported; none of them stays."""
    known, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    sys.path[:] = path


def write(text: str, name: str = "mine") -> None:
    """A module in the current folder."""
    Path(f"{name}.py").write_text(text)
    importlib.invalidate_caches()


def run(*options: str, spec: str = "py:mine:Model") -> int:
    """A run of four grounding questions, in chat."""
    data = write_data(Path("data"), rows(4))
    command = ["run", "--task", "refcoco_val", "--model", spec, "--data", str(data), "--out", "run"]
    return main([*command, *options])


def journal() -> list[dict[str, object]]:
    return [json.loads(line) for line in Path("run/refcoco_val/predictions.rank0.jsonl").open()]


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr but a progress bar."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line and "%|" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """A page whose example does not run costs its reader an evening; 30 lines are what it promises."""
    text = PAGE.read_text(encoding="utf-8")
    example, settings = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(example.splitlines()) <= 31
    write(example, "my_model")
    write(settings + "\n    def generate(self, requests):\n        yield from ()\n", "slow")
    (shell,) = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line)[3:] for line in shell.splitlines()]
    for command in commands:
        build_parser().parse_args(command)
    assert main(commands[0]) == 0
    shown = capsys.readouterr().out
    assert "colours" in shown
    lines = (
        Path("results/runs/py_my_model_Colours/vqav2_val/predictions.rank0.jsonl").read_text().splitlines()
    )
    texts = {json.loads(line)["text"] for line in lines}
    assert len(lines) == 24
    assert texts <= {"red", "green", "blue", "white"}
    assert (
        main([*commands[0][:2], "scienceqa_test", "--limit", "20", *commands[0][3:]]) == 0
    )  # some have no picture
    assert models.describe("py:slow:Slow", Settings("cpu", "float32")).fingerprint == "1-float32"
    backend = models.load("py:slow:Slow", Settings("cpu", "float32"))
    assert backend.info == models.describe("py:slow:Slow", Settings("cpu", "float32"))


def test_a_class_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way, and a second run that asks nothing."""
    write(HEAD + GOOD)
    assert run() == 0
    assert "100.00" in capsys.readouterr().out
    write(HEAD + "        raise RuntimeError('asked again')\n        yield")
    assert run() == 0, "nothing is left to be asked"
    assert eval_mm.score("run")[0].metrics["accuracy@0.5"].value == 100


def test_without_a_fingerprint_the_code_is_one() -> None:
    """Guards against answers of an older version of the class passing for its own."""
    first = (HEAD + GOOD).replace('"f1"', '""')
    write(first)
    one = models.load("py:mine:Model").info.fingerprint
    del sys.modules["mine"]
    write(first + "# changed\n")
    other = models.load("py:mine:Model").info.fingerprint
    assert one.startswith("py-")
    assert one != other


WRONG = {
    "no prediction": ("            yield request.id", "generate yields of type str, expected a Prediction"),
    "no text for an id": ("            yield Prediction(7, 'x')", "the id 7, expected a Prediction with a"),
    "an unknown id": ("            yield Prediction('x', 'x')", "an answer nobody asked for, 'x'"),
    "twice": ("            yield from [Prediction(request.id)] * 2", "a second answer to 's0'"),
    "an error": ("            yield 1 / 0", "mine.py:9: ZeroDivisionError: division by zero"),
    "nothing next": (
        "            yield next(iter(()))",
        "mine.py:9: RuntimeError: generator raised StopItera",
    ),
    "an early error": ("            pass\n        len(7)", "mine.py:10: TypeError: object of type 'int'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_class_does_wrong(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the place in the user's file, where there was a traceback of ours."""
    body, said = WRONG[case]
    write(HEAD + "        for request in requests:\n" + body)
    assert run() == 2
    line = one_error(capsys)
    assert "--model py:mine:Model" in line
    assert said in line


SPOILT = {
    "no text": ("text=7", "text is of type int, expected a text"),
    "no text at all": ("text=None", "text is None, expected a text"),
    "an error that is none": ("error=ValueError('x')", "error is of type ValueError"),
    "a count": ("new_tokens=1.5", "new_tokens is 1.5, expected a whole number"),
    "reasoning": ("reasoning=['a']", "reasoning is of type list"),
    "a size": ("text='x', image_size=('a', 3)", "image_size is ('a', 3), expected width and height"),
    "a size of nothing": ("text='x', image_size=(0, 3)", "image_size is (0, 3), expected width and height"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_an_answer_that_is_none_is_that_samples_error(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A field of another type would break the journal or the scorer; the others are answered."""
    wrong, said = SPOILT[case]
    write(
        HEAD
        + f"""
        for request in requests:
            if request.id == "s1":
                yield Prediction(request.id, {wrong})
            else:
                yield Prediction(request.id, "(100,200),(500,600)")
"""
    )
    assert run() == 3
    errors = {line["id"]: line["error"] for line in journal()}
    assert said in str(errors.pop("s1"))
    assert set(errors.values()) == {None}
    assert "75.00" in capsys.readouterr().out


def test_requests_that_are_never_answered() -> None:
    """A missing answer, of those never pulled too, is an error of that sample, no smaller denominator."""
    write(HEAD + "        yield Prediction(next(requests).id, '(100,200),(500,600)')\n        next(requests)")
    assert run() == 3
    errors = [line["error"] for line in journal()]
    assert sorted(map(str, errors)) == ["None"] + ["the back end gave no answer"] * 3


def test_ranks_are_checked() -> None:
    """One finite number for each choice, or none where no choice can be told; a list will do."""
    body = "        for request in requests:\n            yield Prediction(request.id, {})"
    asked = [Request("1", ("q",), choices=(" A", " B"))]
    for given, said in {
        "choice_logprobs=[-1, -2]": None,
        "choice_logprobs=()": None,
        "choice_logprobs=(-1.0,)": "expected 2 numbers",
        "choice_logprobs=(-1.0, float('nan'))": "expected finite numbers",
        "choice_logprobs=(-1.0, -(10**400))": "expected finite numbers",
        "choice_logprobs='ab'": "expected 2 numbers",
        "text='A'": "no choice_logprobs for the 2 choices",
    }.items():
        write(HEAD + body.format(given))
        (answer,) = models.load("py:mine:Model").generate(asked)
        del sys.modules["mine"]
        if said is None:
            assert answer.choice_logprobs in ((-1, -2), ())
        else:
            assert said in str(answer.error), given


def test_numbers_of_numpy() -> None:
    """Every second class computes with NumPy, whose numbers JSON cannot hold."""
    write(
        "import numpy as np\n"
        + HEAD
        + """
        ranks, size = np.array([-1.5, -2], dtype=np.float32), tuple(np.array([4, 3]))
        for request in requests:
            yield Prediction(
                request.id, choice_logprobs=tuple(ranks), new_tokens=np.int64(3), image_size=size
            )
"""
    )
    (answer,) = models.load("py:mine:Model").generate([Request("1", ("q",), choices=(" A", " B"))])
    told = (answer.error, answer.choice_logprobs, answer.new_tokens, answer.image_size)
    assert told == (None, (-1.5, -2.0), 3, (4, 3))
    assert json.loads(json.dumps(told)) == [None, [-1.5, -2.0], 3, [4, 3]]


MODEL_INFO = "from eval_mm.schema import ModelInfo\nclass Model:\n    def generate(self, r): ...\n    info = "

SHAPES = {
    "py:mine": ("", "expected py:module:Class"),
    "py:mine:": ("", "expected py:module:Class"),
    "py:../mine:Model": ("", "expected py:module:Class"),
    "py:absent:Model": ("", "no module 'absent' in the current folder or on PYTHONPATH"),
    "py:absent.more:Model": ("", "no module 'absent.more'"),
    "py:mine:Absent": ("", "mine.py has no 'Absent'"),
    "py:mine:x": ("x = 7", "'x' is of type int, expected a class"),
    "py:mine:Bare": ("class Bare:\n    pass", "has no method 'generate(requests)'"),
    "py:mine:NoInfo": ("class NoInfo:\n    def generate(self, r): ...", "has no attribute 'info'"),
    "py:mine:BadInfo": (
        "class BadInfo:\n    info = 'm'\n    def generate(self, r): ...",
        "info is of type str, expected eval_mm.schema.ModelInfo",
    ),
    "py:mine:NoName": (
        "from eval_mm.schema import ModelInfo\n"
        "class NoName:\n    info = ModelInfo('')\n    def generate(self, r): ...",
        "info.name is '', expected a text of one line",
    ),
    "py:mine:BadScale": (
        "from eval_mm.schema import ModelInfo\n"
        "class BadScale:\n    info = ModelInfo('m', box_scale='100')\n    def generate(self, r): ...",
        "info.box_scale is '100', expected one of 999, 1000",
    ),
    "py:mine:Model": (
        MODEL_INFO + "ModelInfo('m', settings={'a': len})",
        "info.settings: expected what JSON",
    ),
    "py:mine.x:Model": ("raise ImportError('no CUDA')", "mine.py:1: ImportError: no CUDA"),
    "py:mine.y:Model": ("import nobody_has_this", "mine.py:1: ModuleNotFoundError: No module named 'nobody"),
    "py:mine:Sad": (
        "class Sad:\n    def generate(self, r): ...\n    @property\n    def info(self): return 1 / 0",
        "mine.py:4: ZeroDivisionError",
    ),
    "py:mine:Broken": ("def f(:\n    pass", "mine.py:1: SyntaxError"),
    "py:mine:Missing": ("import nobody_has_this", "mine.py:1: ModuleNotFoundError: No module named 'nobody"),
    "py:mine:Late": (
        "class Late:\n    def __init__(self, path): ...\n    def generate(self, r): ...",
        "TypeError: Late.__init__() missing 1 required positional argument",
    ),
}


@pytest.mark.parametrize("spec", SHAPES)
def test_classes_that_are_none(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is said in a line before anything is asked."""
    text, said = SHAPES[spec]
    write(text)
    assert run(spec=spec) == 2
    assert said in one_error(capsys)
    assert not Path("run/refcoco_val").exists()


INFOS = {
    "compute=7": "info.compute is 7, expected a text",
    "parameters='7B'": "info.parameters is '7B', expected a whole number",
    "chat='no'": "info.chat is 'no', expected a bool",
    "settings={'a': float('nan')}": "info.settings: expected what JSON can hold",
}


@pytest.mark.parametrize("fields", INFOS)
def test_what_is_said_of_a_model_is_checked(fields: str) -> None:
    """A manifest that cannot be written, or read back, once cost a run that was already answered."""
    write(MODEL_INFO + f"ModelInfo('m', {fields})")
    with pytest.raises(UserError) as caught:
        models.load("py:mine:Model")
    assert INFOS[fields] in str(caught.value)


def test_what_goes_wrong_among_the_questions_is_not_the_users_fault() -> None:
    """A full disk while questions are made was once told as an error of the user's class."""
    write(HEAD + GOOD)

    def requests() -> Iterator[Request]:
        yield Request("1", ("q",))
        raise OSError(28, "No space left on device")

    answers = models.load("py:mine:Model").generate(requests())
    assert next(answers).id == "1"
    with pytest.raises(OSError, match="No space left"):
        next(answers)


def test_settings_and_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """A class in a package, with `load`; options that are not for it are refused."""
    Path("pack").mkdir()
    (Path("pack") / "__init__.py").write_text("")
    loads = """
    @classmethod
    def load(cls, spec, value, settings):
        made = cls()
        made.info = ModelInfo(f"{value} {settings.device}", "f", box_scale=None)
        return made
"""
    (Path("pack") / "mine.py").write_text(HEAD + GOOD + loads)
    info = models.describe("py:pack.mine:Model", Settings("cuda:7", box_scale="1000"))
    assert (info.name, info.box_scale) == ("pack.mine:Model cuda:7", "1000")
    with pytest.raises(UserError, match="in which unit"):
        eval_mm.evaluate("py:pack.mine:Model", "refcoco_val", "demo", out="run")
    assert run("--temperature", "1", spec="py:pack.mine:Model") == 2
    assert "--temperature is not for --model py:pack.mine:Model" in one_error(capsys)
