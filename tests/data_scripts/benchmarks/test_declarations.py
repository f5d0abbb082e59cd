"""What every benchmark declares, whatever its forms."""

import pytest

from data_scripts.benchmarks import all_benchmarks
from eval_mm import tasks
from eval_mm.few_shot import train_path

TRAINED = [name for name, one in all_benchmarks().items() if any(split.optional for split in one.splits)]


def test_every_task_with_a_file_is_prepared() -> None:
    """Guards against a split of a benchmark that nothing prepares, and against one that no task reads."""
    read = {name: task.path for name, task in tasks.all_tasks().items() if not task.members}
    prepared = {
        split.name: split.path
        for benchmark in all_benchmarks().values()
        for split in benchmark.splits
        if not split.optional
    }
    folders = {path.split("/")[0] for path in prepared.values()}
    assert prepared == {name: path for name, path in read.items() if path.split("/")[0] in folders}


@pytest.mark.parametrize("name", TRAINED)
def test_training_rows_lie_where_few_shot_looks(name: str) -> None:
    """Guards the path that two programs must agree on."""
    benchmark = all_benchmarks()[name]
    (training,) = (split for split in benchmark.splits if split.optional)
    assert {train_path(task) for task in benchmark.tasks} == {training.path}
    assert training.num_samples is None


def test_ten_benchmarks_have_training_rows() -> None:
    """Guards few-shot runs against a benchmark that lost its training split."""
    expected = {"vqav2", "okvqa", "textvqa", "vizwiz", "docvqa", "infovqa", "chartqa", "ocrvqa", "gqa"}
    assert set(TRAINED) == expected | {"flickr30k"}


@pytest.mark.parametrize("name", sorted(all_benchmarks()))
def test_a_declaration_is_whole(name: str) -> None:
    """Guards the table of benchmarks and the help pages: no blank cell, no line wider than a terminal."""
    benchmark = all_benchmarks()[name]
    assert benchmark.name == name
    for text in (benchmark.summary, benchmark.licence, benchmark.home):
        assert text
        assert "\n" not in text
    assert all(len(line) <= 110 for line in benchmark.about.splitlines())
    for folder in benchmark.pictures:
        assert f"<out>/{folder}" in benchmark.about or folder.rsplit("/", 1)[1] in benchmark.about
    for split in benchmark.splits:
        for source in split.sources:
            assert all(all(names) for names in source.names), source.told()
