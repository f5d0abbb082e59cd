"""What README and EVALUATION say can be typed, their numbers are the code's, their tree is there."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from data_scripts import downloads, pictures
from data_scripts.__main__ import main as data_scripts
from data_scripts.benchmarks import all_benchmarks
from data_scripts.options import build_parser as build_data_parser
from eval_mm import tasks
from eval_mm.cli import build_parser, main
from eval_mm.console import Parser
from eval_mm.metrics import NAMES
from eval_mm.metrics.choice import _RULES, ReadChoice, read_choice
from eval_mm.own_data import OwnData, own_task
from touchstone.cli import build_parser as judging_parser
from touchstone.cli import main as touchstone

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "EVALUATION.md", "CONTRIBUTING.md")
DESCRIBED = ("captioning", "vqa", "text_vqa", "grounding", "choice", "yes_no", "dialogue")
"""Families of which every task has its place in a chapter."""
WRITTEN = "written by prepare"
"""Where the pictures of a benchmark come from that lie in its tables."""


@cache
def data_scripts_parser() -> Parser:
    """The parser of `python -m data_scripts`, which has a page per benchmark and is slow to build."""
    return build_data_parser()


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """The arguments of every `python -m PROGRAM` in the shell blocks of all pages, torchrun's too."""
    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
    calls = [line.partition(f" -m {program} ")[2] for line in lines if f" -m {program} " in line]
    return [shlex.split(re.split(r"[)&]", call)[0], comments=True) for call in calls]


def chapters() -> dict[str, str]:
    """EVALUATION's text by the titles of its chapters."""
    text = (ROOT / "EVALUATION.md").read_text(encoding="utf-8")
    found = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def table(text: str, *head: str) -> list[dict[str, str]]:
    """The rows of all tables whose columns begin so, by column."""
    found: list[dict[str, str]] = []
    columns: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if not cells:
            columns = []
        elif not columns:
            columns = cells
        elif tuple(columns[: len(head)]) == head and not line.startswith("| ---"):
            found.append(dict(zip(columns, cells, strict=True)))
    return found


def split_rows(text: str) -> dict[str, str]:
    """Task -> the count that a chapter's table of splits states."""
    nouns = ("pictures", "questions", "expressions", "rows")
    return {row["task"]: row[noun] for noun in nouns for row in table(text, "task", noun)}


def described() -> list[str]:
    """The benchmarks that have a chapter."""
    names = {name for family in DESCRIBED for name in tasks.families()[family]}
    return [name for name, one in all_benchmarks().items() if names & {task.name for task in one.tasks}]


def test_every_eval_mm_command_is_valid() -> None:
    """An option that was renamed must not live on in the README; tasks named there exist."""
    calls = commands("eval_mm")
    assert len(calls) >= 6
    for call in calls:
        arguments = build_parser().parse_args(call)
        named = getattr(arguments, "task", None) or []
        names = [name for name in ([named] if isinstance(named, str) else named) if name != "$task"]
        if names:
            tasks.resolve(names, getattr(arguments, "metric", None), getattr(arguments, "references", None))


def test_the_page_of_several_gpus() -> None:
    """A job script that is wrong is found out after a night in the queue."""
    page = "docs/several-gpus.md"
    shell = blocks(page, "bash")
    for block in shell:
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
    (job,) = blocks(page, "yaml")
    (in_pod,) = re.findall(r"exec (torchrun .+?)\n +resources:", job, re.DOTALL)
    calls = [
        line.removeprefix("srun ") for block in shell for line in block.splitlines() if "eval_mm" in line
    ]
    (meeting,) = re.findall(r'meeting="(.+)"', "".join(shell))
    torchrun = get_args_parser()
    for call in [*calls, " ".join(in_pod.split())]:
        if " -m eval_mm " not in call:
            continue
        filled = re.sub(r'"?\$\w+"?', "1", call.replace("$meeting", meeting))
        launch, _, run = filled.partition(" -m eval_mm ")
        torchrun.parse_args([*shlex.split(launch)[1:], "x"])
        assert build_parser().parse_args(shlex.split(run)).task == ["all"]
    assert sum(" -m eval_mm " in call for call in calls) == 4
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / "docs" / target).exists(), target


def test_every_judging_command_is_valid() -> None:
    """An option of the judge that was renamed must not live on."""
    calls = commands("touchstone")
    assert {call[0] for call in calls} == {"judge", "agreement", "report"}
    for call in calls:
        judging_parser().parse_args(call)


def test_the_judging_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's two commands that need no key, as they stand."""
    monkeypatch.chdir(tmp_path)
    run = next(call for call in commands("eval_mm") if "stub" in call)
    assert main(run) == 0
    report = next(call for call in commands("touchstone") if call == ["report", "results/runs/echo"])
    assert touchstone(report) == 0
    assert len(list(tmp_path.rglob("report.judge-*.html"))) == 1


def test_every_training_command_is_valid() -> None:
    """On one process and under torchrun."""
    from qwen_vl.__main__ import _parser

    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
    calls = [line.partition("-m qwen_vl ")[2] for line in lines if "-m qwen_vl " in line]
    assert len(calls) >= 2
    for call in calls:
        _parser().parse_args(shlex.split(call, comments=True))


def test_every_data_command_is_valid() -> None:
    """A benchmark or an option that was renamed must not live on; every benchmark's commands are given."""
    calls = commands("data_scripts")
    for call in calls:
        if "--help" in call:
            with pytest.raises(SystemExit, match="0"):
                data_scripts_parser().parse_args(call)
        else:
            data_scripts_parser().parse_args(call)
    given = {tuple(call[:2]) for call in calls}
    assert {(verb, name) for verb in ("fetch", "prepare", "check") for name in described()} <= given


def test_the_data_commands_work_as_written(
    real_refcoco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`prepare` and `check` of RefCOCO exactly as the pages say, in a folder laid out as they say."""
    calls = [call for call in commands("data_scripts") if call[1:2] == ["refcoco"]]
    calls = [call for call in calls if "--raw" in call or call[0] == "check"]
    assert {call[0] for call in calls} == {"prepare", "check"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DOWNLOADED").symlink_to(real_refcoco)
    (tmp_path / "train2014").mkdir()
    for call in dict.fromkeys(map(tuple, calls)):
        code = data_scripts(call)
        assert code == (0 if call[0] == "prepare" else 3), capsys.readouterr().err  # no pictures here: 3


def with_pictures() -> list[str]:
    """The described benchmarks whose pictures are not in their tables."""
    return [name for name in described() if {*all_benchmarks()[name].pictures.values()} != {WRITTEN}]


@pytest.mark.parametrize("name", with_pictures())
def test_pictures_are_linked_from_where_fetch_puts_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path in a `prepare` command that is not the one `fetch` unpacks to costs the reader an evening."""
    monkeypatch.chdir(tmp_path)
    folders = list(all_benchmarks()[name].pictures)
    places = {folder: Path("downloads", downloads.UNPACKED.get(folder, folder)) for folder in folders}
    calls = [
        data_scripts_parser().parse_args(call) for call in commands("data_scripts") if "--help" not in call
    ]
    (options,) = {
        tuple(call.images)
        for call in calls
        if call.verb == "prepare" and call.benchmark == name and call.raw is None and call.images
    }
    named = {folder: Path(to) for folder, sign, to in (text.partition("=") for text in options) if sign}
    for place in (places | named).values():
        place.mkdir(parents=True, exist_ok=True)
    links = pictures.plan_links(Path("data"), dict.fromkeys(folders, True), options)
    assert {link.at: link.to for link in links} == {
        Path("data", folder): Path(os.path.abspath(place)) for folder, place in (places | named).items()
    }


def test_the_demo_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's answers-made-elsewhere and score commands, on the demo data and a demo run."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--task", "refcoco", "--limit", "2"]) == 0
    folder = tmp_path / "results/runs/demo"
    assert main(["score", str(folder), "--protocol", "instruct"]) == 0
    answers = folder / "refcoco_val/predictions.rank0.jsonl"
    command = ["score", "--task", "refcoco_val", "--predictions", str(answers), "--data", "demo"]
    assert main(command) == 2, "two answers for a whole split are too few"
    assert main([*command, "--subset"]) == 0


def test_the_python_examples_run(tmp_path: Path) -> None:
    """The README's Python, as it stands: an evaluation of a few rows, and a conversation about a picture."""
    evaluation, conversation = blocks("README.md", "python")
    shutil.copy(ROOT / "eval_mm/demo/scenes/000010.png", tmp_path / "scene.png")
    shown = []
    for code in (evaluation, conversation):
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        shown.append(ended.stdout.split())
    assert shown[0][1] == "False"
    assert "<box>" in shown[1][-2]
    assert shown[1][-1] == "True"


def test_make_targets_exist() -> None:
    """The two commands of the README, and those CONTRIBUTING and CI name."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        target
        for page in PAGES
        for target in re.findall(
            r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {"demo", "test", "setup", "check"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_tree_in_the_readme_is_there() -> None:
    """A newcomer finds places from the tree: every name in it exists, and every package file is in it."""
    tree = next(block for block in blocks("README.md", "text") if block.startswith("eval_mm/"))
    folder, named = ROOT, set()
    for line in tree.splitlines():
        words = line.split("  ")[0] if not line.startswith("  ") else line.strip().split("  ")[0]
        for word in words.split():
            if not line.startswith("  "):
                folder = ROOT / word
                path = folder
            else:
                path = folder / word
            assert path.exists(), f"{path.relative_to(ROOT)} is in the README's tree only"
            named.add(path)
    for package in ("eval_mm", "qwen_vl", "touchstone"):
        for path in (ROOT / package).glob("*.py"):
            if not path.name.startswith("__") and path.name != "errors.py":
                assert path in named, f"{path.relative_to(ROOT)} is missing in the README's tree"


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_work(page: str) -> None:
    """A moved file must not leave a dead link."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), f"{page} links to {target}"


def test_the_counts_are_the_tasks() -> None:
    """Every task has a chapter that states how many rows its split has."""
    stated = {task: number for text in chapters().values() for task, number in split_rows(text).items()}
    assert {name for family in DESCRIBED for name in tasks.families()[family]} <= stated.keys()
    for name, number in stated.items():
        count = tasks.get(name).num_samples
        assert number == ("-" if count is None else f"{count:,}"), name


def test_prompts_and_limits_are_the_protocols() -> None:
    """A limit changed in the code only would make EVALUATION name another number's conditions."""
    seen = 0
    for title, text in chapters().items():
        rows = {row["protocol"].strip("`"): row for row in table(text, "protocol", "prompt")}
        for name in split_rows(text):
            limits = {p.name: f"{p.min_new_tokens} to {p.max_new_tokens}" for p in tasks.get(name).protocols}
            assert {protocol: row["new tokens"] for protocol, row in rows.items()} == limits, title
            seen += 1
    assert seen > 20


def test_published_figures_are_those_of_the_leaderboard() -> None:
    """A digit lost in copying would be taken for the paper's; and no figure of Qwen-VL is left out."""
    with (ROOT / "results/published/leaderboard.csv").open(encoding="utf-8", newline="") as file:
        known = {(row["task"], row["model"]): row["score"] for row in csv.DictReader(file)}
    stated: dict[tuple[str, str], str] = {}
    for text in chapters().values():
        for first in ("Qwen-VL (Qwen-7B)", "Qwen-VL-7B", "Qwen-VL-Chat"):
            for row in table(text, "task", first):
                task = row.pop("task")
                stated |= {(task, model): score for model, score in row.items()}
    tables = {task for text in chapters().values() for task in split_rows(text)}
    assert stated == {
        (task, model): score
        for (task, model), score in known.items()
        if tables & {task, task.partition("_")[0]} and model.startswith("Qwen-VL")
    }


def test_reproduced_scores_are_those_that_are_tested() -> None:
    """A figure of the table that no test computes is a claim; one that a test computes belongs in it."""
    source = (ROOT / "tests/test_published_scores.py").read_text(encoding="utf-8")
    tested = {Fraction(number) for number in re.findall(r"\d+\.\d+", source)}
    tested |= {Fraction(*map(int, parts)) for parts in re.findall(r"(\d+) / (\d+)", source)}
    rows = table(chapters()["Published scores reproduced"], "answers", "n")
    stated = {number for row in rows for number in row["here"].split(", ")}
    assert stated == {f"{float(number):.4f}" for number in tested if number > 5}


def code(cell: str) -> list[str]:
    """What stands in a cell as code."""
    return re.findall(r"`([^`]+)`", cell)


def own_files(chapter: str) -> Iterator[tuple[str, str]]:
    """The files that the chapter shows, by name."""
    yield from re.findall(r"^`(\w+\.jsonl)`[^\n]*\n\n```json\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    for block in re.findall(r"^```text\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            name, _, content = line.partition(" ")
            yield name, content.strip()


def test_the_example_of_ones_own_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rows are read, its commands run as they stand, and give the numbers that are stated."""
    monkeypatch.chdir(tmp_path)
    chapter = chapters()["A benchmark of one's own"]
    for name, content in own_files(chapter):
        (tmp_path / name).write_text(content, encoding="utf-8")
    given = {
        name: row["protocols"] for row in table(chapter, "metric", "rows") for name in code(row["metric"])
    }
    assert given.keys() == set(NAMES)
    for metric, protocols in given.items():
        assert code(protocols) == [protocol.name for protocol in own_task(OwnData("x", metric)).protocols]
    stated = {row["file"].strip("`"): row["number"].split() for row in table(chapter, "file", "number")}
    assert len(stated) == 3
    for line in re.findall(r"^python -m eval_mm (.*)$", chapter, re.MULTILINE):
        call = shlex.split(line)
        if "--model" in call:
            continue
        assert main(call) == 0, capsys.readouterr().err
        metric, number = (
            stated.get(call[2].removeprefix("file:"), ("", "")) if call[0] == "score" else ("", "")
        )
        said = capsys.readouterr().out
        assert metric in said
        assert number in said


def test_the_rules_of_option_letters_are_the_codes() -> None:
    """Rules in another order read other letters; an answer shown there is read by the rule it stands at."""
    rules = table(chapters()["Metrics"], "rule", "answers")
    assert [row["rule"] for row in rules] == [name for name, _ in _RULES]
    for row in rules:
        for answer in code(row["answers"]):
            assert read_choice(answer, ("cat", "dog", "red fox", "owl")) == ReadChoice(1, row["rule"])


def test_links_within_a_page_work() -> None:
    """A renamed chapter must not leave a dead entry in the list of chapters."""
    text = (ROOT / "EVALUATION.md").read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
