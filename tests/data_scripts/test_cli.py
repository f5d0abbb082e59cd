"""The command line itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from data_scripts import downloads
from data_scripts.__main__ import main
from data_scripts.benchmarks import all_benchmarks
from data_scripts.options import VERBS, build_parser
from tests.data_scripts.support import run


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What --help prints."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    """Guards `--help` and `list` against waiting for Pillow, numpy or torch."""
    code = (
        "import sys; from data_scripts.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'PIL', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for arguments in (["--help"], ["fetch", "--help"], ["list", "--data", "nosuch"]):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_the_overview_imports_no_benchmark() -> None:
    """Guards `--help`, and verbs that ask for no benchmark, against importing every one of them first."""
    code = (
        "import sys; from data_scripts.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "slow = {'data_scripts.benchmarks', 'data_scripts.downloads', 'tqdm'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    for arguments in (
        ["--help"],
        ["demo", "--help"],
        ["demo-training"],
        ["frames", "--help"],
        ["nosuch"],
        [],
    ):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


CALLS = {
    "list": ["gqa", "--data", "x"],
    "fetch": ["coco", "--only", "pictures", "--yes"],
    "prepare": ["all", "--allow-partial"],
    "frames": ["seedbench", "--clips", "a", "--clips", "b"],
    "check": ["refcoco"],
    "demo": ["--out", "x"],
    "demo-training": ["--out", "x", "--scenes", "3"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_one_verb_alone_reads_what_all_read(verb: str) -> None:
    """Guards the parser that has the options of one verb only: the same command, the same values."""
    words = [verb, *CALLS[verb]]
    assert build_parser(verb).parse_args(words) == build_parser().parse_args(words)


def test_drawing_needs_no_torch() -> None:
    """Guards a data machine without torch: no module of the package may import it."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import data_scripts.__main__, data_scripts.drawn.demo, data_scripts.pictures\n"
        "import data_scripts.drawn.training, data_scripts.fetch, data_scripts.listing"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("verb", ["prepare", "check"])
def test_every_benchmark_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the list of benchmarks: each is offered by both verbs and names its files."""
    for name, benchmark in all_benchmarks().items():
        assert benchmark.about in helped(capsys, verb, name)


def test_fetch_names_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the help page of each download: every URL or page stands on it, before anything is fetched."""
    names = helped(capsys, "fetch")
    for name in {*all_benchmarks(), *downloads.names()}:
        assert f"\n    {name}" in names
        page = helped(capsys, "fetch", name)
        for row in downloads.files_of(name, train=True):
            assert row.url in page
        for _, by_hand in downloads.pages_of(name):
            assert by_hand.url in page


def test_every_verb_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards help pages that list options and leave the reader to find out what to type."""
    overview = helped(capsys)
    for verb in VERBS:
        assert f"\n    {verb} " in overview
    for verb in ("list", "fetch", "prepare", "check"):
        assert f"\n  python -m data_scripts {verb}" in helped(capsys, verb)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["prepare", "nosuch"],
        ["prepare"],
        ["check"],
        ["fetch"],
        ["fetch", "refcoco", "--only", "nosuch"],
        ["list", "nosuch"],
        ["demo"],
        ["demo-training"],
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Guards argparse's habit of printing its usage over many lines before saying what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_prepare_reads_what_fetch_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the way `fetch X` then `prepare X`: without --raw it is the folder that fetch filled."""
    monkeypatch.chdir(tmp_path)
    ran = run(capsys, "prepare", "refcoco")
    assert ran.code == 2
    assert "downloads/refcoco: no such folder" in ran.err


def test_all_goes_on_after_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards `prepare all`: each benchmark with a folder is tried, the worst exit code is the answer."""
    raw = tmp_path / "downloads"
    for name in ("refcoco", "textvqa"):
        (raw / name).mkdir(parents=True)
    ran = run(capsys, "prepare", "all", "--raw", raw, "--out", tmp_path / "data")
    assert ran.code == 2
    assert [line for line in ran.out.splitlines() if line.startswith("==")] == ["== refcoco", "== textvqa"]
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize("verb", ["prepare", "check"])
def test_all_of_nothing_is_an_error(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards a script against an `all` that found nothing and ended well."""
    folder = {"prepare": "--raw", "check": "--data"}[verb]
    ran = run(capsys, verb, "all", folder, tmp_path)
    assert ran.code == 2
    assert f"{tmp_path}: nothing to {verb} here" in ran.err


def test_ctrl_c_ends_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards Ctrl-C in the first of many: it means all of them."""
    for name in ("refcoco", "textvqa"):
        (tmp_path / name).mkdir()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("data_scripts.commands.prepare", interrupted)
    ran = run(capsys, "prepare", "all", "--raw", tmp_path)
    assert ran.code == 130
    assert ran.out.count("==") == 1
    assert "the same command does the rest" in ran.err
