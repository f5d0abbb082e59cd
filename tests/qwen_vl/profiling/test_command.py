"""The command as it is typed, on the demo model."""

import re

import pytest

from qwen_vl.__main__ import main
from qwen_vl.profiling import efficiency, report
from qwen_vl.profiling.command import GENERATE
from qwen_vl.profiling.measuring import measure_here

DEMO = ["profile", "--config", "demo", "--device", "cpu"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed depends neither on processes of their own, which take seconds to start, nor on how long
    the peak is looked for.
    """
    monkeypatch.setattr("qwen_vl.profiling.machine.LEAST_SECONDS", 0.0)
    for module in (report, efficiency):
        monkeypatch.setattr(module, "measure_alone", measure_here)


@pytest.mark.usefixtures("quick")
def test_a_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is the ratio; each engine has a line of rates and a line of its time split."""
    options = ["--workload", "docvqa", "--images", "1", "--compare", "static"]
    assert main([*DEMO, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"ratio fast/static: \d+\.\d", lines[-1])
    assert lines[1].startswith("docvqa: 1 picture, 4 questions, 10 new tokens each")
    for name in ("fast", "static"):
        rates, split = (line.split() for line in lines if line.startswith(f"{name} "))
        assert len(rates) == 10
        assert len(split) == 8
        assert all(float(value) >= 0 for value in [*rates[1:7], *split[1:]])


@pytest.mark.usefixtures("quick")
def test_one_engine_has_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    """Ranked options have no new tokens: a rate of 0 would look like a failure."""
    assert main([*DEMO, "--workload", "seedbench", "--images", "1", "--engine", "reference"]) == 0
    shown = capsys.readouterr().out
    assert "ratio" not in shown
    (rates,) = (line.split() for line in shown.splitlines() if line.startswith("reference") and "%" in line)
    assert rates[5] == "-"


@pytest.mark.usefixtures("quick")
def test_the_two_figures_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    """Speed and both peaks of both engines, the published figure beside each that has one, the limit said."""
    options = ["--workload", "generate-2048", "--new-tokens", "6", "--compare", "static"]
    assert main([*DEMO, *options]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    for name in ("fast", "static"):
        speed, generating, reading = (line for line in lines if line.startswith(f"{name} "))
        assert re.search(r"6 tokens +\d+\.\d\d tokens/s  28.87 tokens/s$", speed)
        assert re.search(r"38 read and 6 generated +\d+\.\d\d GB +-$", generating)
        assert re.search(r"2,048 read and 1 generated +\d+\.\d\d GB +22.60 GB$", reading)
    assert "only 6 of 1,792" in shown
    assert "another machine" in shown
    assert re.fullmatch(r"ratio fast/static: \d+\.\d", lines[-1])


def test_the_published_settings() -> None:
    """258 tokens of a picture, 1,792 and 7,934 generated, at 2,048 and 8,192 tokens: as published."""
    assert tuple(efficiency.GENERATED) == GENERATE
    assert efficiency.GENERATED == {"generate-2048": (2048, 1792), "generate-8192": (8192, 7934)}
    assert efficiency.published("generation speed", "8192 tokens") == "24.32 tokens/s"
    assert efficiency.published("peak GPU memory", "generating 8192 tokens") == "28.01 GB"
    assert efficiency.published("peak GPU memory", "encoding 8192 tokens") == "-"
    assert "A100-SXM4-80G" in efficiency.published_setting()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--compare", "fast"], "--compare fast: is the engine itself"),
        (["--workload", "generate-2048", "--images", "2"], "--images: generate-2048 shows one picture"),
        (["--workload", "gqa", "--new-tokens", "2"], "--new-tokens: the answers of gqa"),
        (["--dtype", "float64"], "dtype 'float64'"),
        (["--device", "tpu"], "device 'tpu'"),
    ],
)
def test_options_that_make_no_sense(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in one line, and nothing is measured: an option that is silently ignored changes what is read."""
    assert main(["profile", *options]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert message in line
    assert shown.out == ""


def test_a_model_that_does_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in one line before anything is allocated."""
    monkeypatch.setattr("qwen_vl.profiling.sizes.free_memory", lambda device: 10**9)
    assert main(["profile", "--config", "qwen-vl-7b", "--device", "cpu", "--dtype", "float32"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "38.6 GB of weights, 1.0 GB" in line
    assert "take --config small." in line
    assert "7." in line.partition("By arithmetic")[2]


def test_a_model_that_fits_in_half_precision(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is short of a third of the memory need not give up the size."""
    monkeypatch.setattr("qwen_vl.profiling.sizes.free_memory", lambda device: 25 * 10**9)
    assert main(["profile", "--config", "qwen-vl-7b", "--device", "cpu", "--dtype", "float32"]) == 2
    assert "take --dtype bfloat16 or --config small." in capsys.readouterr().err
