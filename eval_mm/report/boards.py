"""What the tables of a report show: the three tables of the Qwen-VL report, and a table a judged benchmark.

A column is one split and one metric, so a number never stands below a heading of another split. What no table
here shows goes to tables of its own (eval_mm/report/leaderboards.py).
"""

from typing import NamedTuple

from eval_mm.tasks.mme import COGNITION, PERCEPTION
from eval_mm.tasks.scienceqa import SUBJECTS
from eval_mm.tasks.seedbench import DIMENSIONS

NUM_PICTURE_DIMENSIONS = 9
"""SEED-Bench's first dimensions are about pictures, the others about clips."""


class Place(NamedTuple):
    """Where a number is: the metric of a task."""

    task: str
    metric: str


class Column(NamedTuple):
    """One split and one metric; of `places` the first that a run has, since a whole repeats its parts."""

    benchmark: str
    split: str
    places: tuple[Place, ...]

    @property
    def metric(self) -> str:
        """What is measured, without the part."""
        return self.places[0].metric.partition("/")[0]


class Board(NamedTuple):
    """One table. Of one of `parts` the columns are better read as lines, as long as it has few rows."""

    title: str
    columns: tuple[Column, ...]
    parts: bool = False


def column(benchmark: str, split: str, task: str, metric: str) -> Column:
    """A column with one place."""
    return Column(benchmark, split, (Place(task, metric),))


def _boxes(benchmark: str, *splits: str) -> tuple[Column, ...]:
    return tuple(column(benchmark, split, f"{benchmark.lower()}_{split}", "accuracy@0.5") for split in splits)


def _science(split: str, task: str) -> tuple[Column, ...]:
    subjects = [f"subject={subject}" for subject in SUBJECTS.values()]
    contexts = ["context=TXT", "context=IMG", "context=NO"]
    parts = [*subjects, *contexts, "grade=G1-6", "grade=G7-12"]
    whole = column("ScienceQA", split, task, "accuracy")
    return (whole, *(column(split, part.partition("=")[2], task, f"accuracy/{part}") for part in parts))


def _seed_dimension(number: str, name: str) -> Column:
    metric = f"accuracy/{int(number):02d} {name}"
    part = "image" if int(number) <= NUM_PICTURE_DIMENSIONS else "video"
    return Column("SEED-Bench", name, (Place(f"seedbench_{part}", metric), Place("seedbench", metric)))


BOARDS = (
    Board(
        "Captioning and general VQA",
        (
            column("NoCaps", "val", "nocaps_val", "cider"),
            column("Flickr30K", "test", "flickr30k_test", "cider"),
            column("VQAv2", "test-dev", "vqav2_testdev", "vqa_accuracy"),
            column("VQAv2", "val", "vqav2_val", "vqa_accuracy"),
            column("OK-VQA", "val", "okvqa_val", "vqa_accuracy"),
            column("GQA", "test-dev", "gqa_testdev", "accuracy"),
            column("ScienceQA", "test img", "scienceqa_test_img", "accuracy"),
            column("VizWiz", "test-dev", "vizwiz_test", "vqa_accuracy"),
            column("VizWiz", "val", "vizwiz_val", "vqa_accuracy"),
        ),
    ),
    Board(
        "Text-oriented VQA",
        (
            column("TextVQA", "val", "textvqa_val", "vqa_accuracy"),
            column("DocVQA", "test", "docvqa_test", "anls"),
            column("DocVQA", "val", "docvqa_val", "anls"),
            column("InfoVQA", "test", "infovqa_test", "anls"),
            column("InfoVQA", "val", "infovqa_val", "anls"),
            column("ChartQA", "test", "chartqa_test", "relaxed_accuracy"),
            column("ChartQA", "human", "chartqa_test_human", "relaxed_accuracy"),
            column("ChartQA", "augmented", "chartqa_test_augmented", "relaxed_accuracy"),
            column("AI2D", "test", "ai2d_test", "accuracy"),
            column("OCR-VQA", "test", "ocrvqa_test", "accuracy"),
            column("OCR-VQA", "val", "ocrvqa_val", "accuracy"),
        ),
    ),
    Board(
        "Referring expression comprehension",
        (
            *_boxes("RefCOCO", "val", "testA", "testB"),
            *_boxes("RefCOCO+", "val", "testA", "testB"),
            *_boxes("RefCOCOg", "val", "test"),
            column("GRIT", "refexp", "grit_refexp", "accuracy@0.5"),
        ),
    ),
    Board(
        "TouchStone",
        (
            column("TouchStone", "English", "touchstone_en", "touchstone_score"),
            column("TouchStone", "Chinese", "touchstone_zh", "touchstone_score"),
        ),
    ),
    Board(
        "MME",
        (
            column("MME", "perception", "mme", "mme_perception"),
            column("MME", "cognition", "mme", "mme_cognition"),
            *(column("perception", part, "mme", f"mme_perception/{part}") for part in PERCEPTION),
            *(column("cognition", part, "mme", f"mme_cognition/{part}") for part in COGNITION),
        ),
        parts=True,
    ),
    Board(
        "SEED-Bench",
        (
            column("SEED-Bench", "all", "seedbench", "accuracy"),
            column("SEED-Bench", "images", "seedbench_image", "accuracy"),
            column("SEED-Bench", "clips", "seedbench_video", "accuracy"),
            *(_seed_dimension(number, name) for number, name in DIMENSIONS.items()),
        ),
        parts=True,
    ),
    Board(
        "ScienceQA",
        (*_science("test", "scienceqa_test"), *_science("test img", "scienceqa_test_img")),
        parts=True,
    ),
)
