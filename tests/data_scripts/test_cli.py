"""The command line itself."""

import subprocess
import sys

import pytest

from data_scripts.__main__ import main
from data_scripts.benchmarks import all_benchmarks


def test_help_loads_nothing_heavy() -> None:
    """Guards `--help` against waiting for Pillow, numpy or torch."""
    code = (
        "import sys; from data_scripts.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'PIL', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_drawing_needs_no_torch() -> None:
    """Guards a data machine without torch: no module of the package may import it."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import data_scripts.__main__, data_scripts.drawn.demo, data_scripts.pictures\n"
        "import data_scripts.drawn.training"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("verb", ["prepare", "check"])
def test_every_benchmark_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the list of benchmarks: each is offered by both verbs and names its files."""
    for name, benchmark in all_benchmarks().items():
        with pytest.raises(SystemExit) as ended:
            main([verb, name, "--help"])
        assert ended.value.code == 0
        assert benchmark.about in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["prepare", "nosuch"], ["prepare", "refcoco"], ["check"], ["demo"], ["demo-training"]]
)
def test_wrong_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Guards argparse's habit of printing its usage over many lines before saying what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
