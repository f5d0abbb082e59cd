"""TextVQA: questions about pictures that can only be answered by reading the text in them.

Paper: Singh et al. 2019 (https://arxiv.org/abs/1904.08920). Version 0.5.1, official form, or questions and
annotations in VQA's form. Official questions are in lower case and stay so.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms import ANNOTATORS
from data_scripts.forms_vqa import by_image_id, converted, listed, pair
from eval_mm.data import Row
from eval_mm.tasks.textvqa import TASKS

(VAL,) = TASKS
PICTURES = "textvqa/train_images"
PICTURE = by_image_id(PICTURES, ".jpg")


def _picture(row: Row) -> str:
    return PICTURE(row, {})


OFFICIAL = listed(
    "TextVQA 0.5.1", _picture, at="data", id="question_id", fields=("image_id",), least=ANNOTATORS
)
PAIR = pair(PICTURE, kinds=False)

BENCHMARK = Benchmark(
    name="textvqa",
    summary="TextVQA: questions about text in pictures, validation",
    about="""\
TextVQA 0.5.1 validation (5,000 questions) -> <out>/textvqa/.

--raw is a folder with, plain or packed, one of
  TextVQA_0.5.1_val.json                                     https://textvqa.org/dataset
  textvqa_val_questions.json + textvqa_val_annotations.json  Qwen-VL's converted files
  val_questions_vqa_format.json + val_annotations_vqa_format.json  open_flamingo's
and, optional for few-shot, the same of train; Qwen-VL's textvqa_train.jsonl will do for that.

The pictures (https://dl.fbaipublicfiles.com/textvqa/images/train_val_images.zip, 7 GB) of both splits belong
in <out>/textvqa/train_images.""",
    licence="annotations CC BY 4.0; pictures: Open Images, CC BY 2.0",
    home="https://textvqa.org",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            Source(OFFICIAL, (("TextVQA_0.5*_val.json",),)),
            Source(
                PAIR,
                (
                    ("textvqa_val_questions.json", "val_questions_vqa_format.json"),
                    ("textvqa_val_annotations.json", "val_annotations_vqa_format.json"),
                ),
            ),
            Source(converted(PICTURES, answers=ANNOTATORS), (("textvqa_val.jsonl",),)),
        ),
        Split.training(
            "textvqa",
            Source(OFFICIAL, (("TextVQA_0.5*_train.json",),)),
            Source(
                PAIR,
                (
                    ("textvqa_train_questions.json", "train_questions_vqa_format.json"),
                    ("textvqa_train_annotations.json", "train_annotations_vqa_format.json"),
                ),
            ),
            Source(converted(PICTURES), (("textvqa_train.jsonl",),)),
        ),
    ],
    folders=(),
    pictures={PICTURES: "https://dl.fbaipublicfiles.com/textvqa/images/train_val_images.zip"},
)
