"""SEED-Bench: questions with four options about pictures and about clips.

Paper: Li et al. 2023 (https://arxiv.org/abs/2307.16125), version 1. The id is question_id and dimension,
since one official id stands twice. The frames of clips are made by `python -m data_scripts frames seedbench`.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_seedbench import CLIPS, PICTURES, official, without_options
from eval_mm.tasks.seedbench import PARTS

IMAGE, VIDEO = PARTS
IMAGES, FRAMES = "seedbench/SEED-Bench-image", "seedbench/video"
OFFICIAL = (("SEED-Bench.json", "SEED-Bench.*.json"),)

BENCHMARK = Benchmark(
    name="seedbench",
    summary="SEED-Bench: options about pictures (dimensions 1-9) and clips (10-12)",
    about="""\
SEED-Bench 1, about pictures (14,233 questions) and about clips (5,009) -> <out>/seedbench/.

--raw is a folder with, plain or packed,
  SEED-Bench.json   https://huggingface.co/datasets/AILab-CVC/SEED-Bench
or, to score answers about pictures only, with --allow-partial, since the options are in neither,
  SEED-Bench-llava_with_grounding.jsonl (or *_no_options.jsonl) of LLaVA-Grounding
      + GPT-4V.json (or *_pred_and_gt.json) of the benchmark's repository, evaluate_result/SEED-Bench-1

The pictures (SEED-Bench-image.zip, same page) belong in <out>/seedbench/SEED-Bench-image. The frames of clips
are made in <out>/seedbench/video, after this, from the videos of the three data sets:
  python -m data_scripts frames seedbench --help""",
    licence="CC BY-NC 4.0; pictures: CC3M; clips: Something-Something v2, EPIC-KITCHENS-100, Breakfast",
    home="https://github.com/AILab-CVC/SEED-Bench",
    tasks=PARTS,
    splits=[
        Split.of(
            IMAGE,
            Source(official(IMAGES, FRAMES, PICTURES), OFFICIAL),
            Source(
                without_options(IMAGES),
                (
                    ("*_no_options.jsonl", "SEED-Bench-llava_with_grounding.jsonl"),
                    ("*_pred_and_gt.json", "GPT-4V.json"),
                ),
            ),
        ),
        Split.of(VIDEO, Source(official(IMAGES, FRAMES, CLIPS), OFFICIAL)),
    ],
    folders=(),
    pictures={
        IMAGES: "SEED-Bench-image.zip of https://huggingface.co/datasets/AILab-CVC/SEED-Bench",
        FRAMES: "made by python -m data_scripts frames seedbench",
    },
)
