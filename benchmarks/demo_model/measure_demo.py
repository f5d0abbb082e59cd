"""What the demo model gets right, on drawn pictures it never saw, by kind of question.

    python benchmarks/demo_model/measure_demo.py [--model FOLDER] [--scenes N] [--first-seed S]

The pictures are of evaluation seeds, which no training uses. Grounding counts a box that overlaps the true
one by IoU >= 0.5; a scene's caption counts if it names every shape with its colour; every other answer must
be the true one, letter for letter. Of the kinds that all pictures share, scenes are counted apart from print.
`options` and `clip` are questions with options about pictures and clips, in the prompts of the benchmarks.
Without options, the table is written to README.md beside this script.
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from tqdm import tqdm

from data_scripts.drawn import choosing, clips
from data_scripts.drawn.conversations import ASKED, SHOWS, Picture, asked, draw
from data_scripts.drawn.scenes import FIRST_TRAINING_SEED, Scene
from data_scripts.drawn.turns import Turn
from eval_mm.console import align
from eval_mm.metrics.box import Box, iou, read_published, to_pixels
from qwen_vl.checkpoint import DEMO_FOLDER, LoadedModel, load
from qwen_vl.engine import Engine, Query
from qwen_vl.image import preprocess
from qwen_vl.prompt import LATER, ImagePart, Special, build_prompt

FIRST_SEED = 200_000
"""Evaluation seeds beyond the bundled demo data, and beyond those lessons were chosen by (100,000 on)."""

SCENES = 500
"""Pictures of scenes; of every kind of print, and of clips, there are a third as many."""

WITH_OPTIONS = 2
"""Questions with options for each picture and clip."""

SHARED = ("count", "yes/no", "caption", "choice")
"""Kinds that are asked about scenes and about print."""

LIMITS = {"grounding": (10, 28), "caption": (8, 30)}
MARKS = re.compile(r"(</?(?:ref|box)>)")


def right(turn: Turn, answer: str, picture: Picture) -> bool:
    """Whether an answer counts."""
    if turn.kind == "grounding":
        assert isinstance(picture, Scene)
        assert turn.box is not None
        found = read_published(answer)
        if found is None:
            return False
        pixels = to_pixels(found.box, "999", picture.width, picture.height)
        return iou(pixels, Box(*map(float, turn.box))) >= 0.5
    if turn.kind == "caption" and isinstance(picture, Scene):
        named = Counter(re.findall(r"(\w+ \w+)(?= and| on|,|\.|$)", answer))
        wanted = Counter(f"{shape.colour} {shape.kind}" for shape in picture.shapes)
        return all(named[name] >= count for name, count in wanted.items())
    return answer.strip() == turn.answer.strip()


class Asked(NamedTuple):
    """A question about pictures, and the kinds its verdict counts for."""

    turn: Turn
    pictures: Sequence[Picture]
    kinds: Sequence[str]


def ask(loaded: LoadedModel, questions: Iterable[Asked]) -> Iterator[tuple[Asked, str]]:
    """The model's answers in any order, greedy, with the limits of the benchmarks."""
    tokenizer = loaded.tokenizer
    waiting: dict[int, Asked] = {}
    shown: dict[int, Picture] = {}  # by identity, alive as long as a question about it waits

    def queries() -> Iterator[Query]:
        for number, question in enumerate(questions):
            turn, pictures, _ = question
            waiting[number] = question
            shown.update((id(picture), picture) for picture in pictures)
            parts: list[str | Special | ImagePart] = [LATER]
            parts += ["\n", LATER] * (len(pictures) - 1)
            parts += [Special(part) if MARKS.fullmatch(part) else part for part in MARKS.split(turn.question)]
            yield Query(
                number,
                build_prompt(tokenizer, parts).ids,
                tuple(map(id, pictures)),
                (),
                *LIMITS.get(turn.kind, (1, 10)),
                frozenset({tokenizer.eod_id}),
            )

    def pixels(key: int) -> Tensor:
        return preprocess(draw(shown[key]), loaded.config.visual.image_size)

    for answer in Engine(loaded.model).answer(queries(), pixels):
        if answer.error is not None:
            raise answer.error
        assert isinstance(answer.id, int), answer.id
        yield waiting.pop(answer.id), tokenizer.decode_answer(answer.ids)


def with_options(turns: Sequence[Turn]) -> list[Turn]:
    """The first questions that show their options."""
    return [turn for turn in turns if "\nOptions: " in turn.question][:WITH_OPTIONS]


def questions(scenes: int, first_seed: int) -> Iterator[Asked]:
    """All that is asked about so many scenes and a third as much print and clips; boxes also by shapes."""
    shows = [(show, number) for show in SHOWS for number in range(scenes if show == "scene" else scenes // 3)]
    for show, number in tqdm(shows, unit="picture"):
        seed = first_seed + number
        picture, turns = asked(seed, shows=(show,))
        turns += with_options(choosing.about_picture(picture, random.Random(f"choosing {seed}")))
        for turn in turns:
            shared = turn.kind in SHARED and not isinstance(picture, Scene)
            kinds = [f"{turn.kind}, print" if shared else turn.kind]
            if turn.kind == "grounding" and isinstance(picture, Scene):
                kinds.append(f"grounding, {len(picture.shapes)} shapes")
            yield Asked(turn, (picture,), kinds)
    for seed in tqdm(range(first_seed, first_seed + scenes // 3), unit="clip"):
        clip = clips.clip(seed)
        for turn in with_options(choosing.about_clip(clip, random.Random(f"choosing {seed}"))):
            yield Asked(turn, clip.frames, ("clip",))


def measure(loaded: LoadedModel, scenes: int, first_seed: int = FIRST_SEED) -> dict[str, list[bool]]:
    """Verdicts by kind of question."""
    verdicts: dict[str, list[bool]] = {kind: [] for kind in (*ASKED, *choosing.KINDS)}
    for kind in SHARED:
        verdicts[f"{kind}, print"] = []
    for number in range(1, 4):
        verdicts[f"grounding, {number} shapes"] = []
    for question, answer in ask(loaded, questions(scenes, first_seed)):
        verdict = right(question.turn, answer, question.pictures[0])
        for kind in question.kinds:
            verdicts[kind].append(verdict)
    return verdicts


def table(verdicts: dict[str, list[bool]]) -> str:
    """Kinds, how often they were asked, and how much was right."""
    rows = [("question", "asked", "right, %")]
    rows += [
        (kind, str(len(found)), f"{100 * sum(found) / len(found):.1f}")
        for kind, found in verdicts.items()
        if found
    ]
    return align(rows)


def main() -> None:
    """Measures and shows the table."""
    parser = argparse.ArgumentParser(description="What the demo model gets right.")
    parser.add_argument("--model", help="a checkpoint folder (default: the bundled one)")
    parser.add_argument(
        "--scenes", type=int, default=SCENES, help=f"and a third as much print and clips ({SCENES})"
    )
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help=f"of the pictures ({FIRST_SEED})")
    arguments = parser.parse_args()
    scenes, first_seed = arguments.scenes, arguments.first_seed
    assert first_seed + scenes <= FIRST_TRAINING_SEED, f"{scenes} scenes from seed {first_seed}"
    loaded = load(arguments.model or DEMO_FOLDER, "cpu", "float32")
    shown = table(measure(loaded, scenes, first_seed))
    print(shown)
    if arguments.model is None and (scenes, first_seed) == (SCENES, FIRST_SEED):
        readme = Path(__file__).with_name("README.md")
        text = re.sub(
            r"```text\n.*?```", lambda _: f"```text\n{shown}\n```", readme.read_text("utf-8"), flags=re.S
        )
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
