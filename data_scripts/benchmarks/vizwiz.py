"""VizWiz: spoken questions of blind people about pictures they took; many cannot be answered.

Paper: Gurari et al. 2018 (https://arxiv.org/abs/1802.08218). The official files have no question ids: the id
is the 0-based row, which is also the question_id of open_flamingo's files.
"""

from data_scripts.benchmark import Benchmark, Form, Source, Split
from data_scripts.forms import ANNOTATORS, in_folder
from data_scripts.forms_vqa import by_image_id, converted, listed, pair
from eval_mm.tasks.vizwiz import TASKS

VAL, TEST = TASKS
TRAIN = "vizwiz/train"


def _official(part: str, public: bool = True) -> Form:
    pictures = in_folder(f"vizwiz/{part}")
    lacks = () if public else ("answer",)
    return listed("VizWiz", pictures, fields=("image",), lacks=lacks, least=ANNOTATORS, public=public)


BENCHMARK = Benchmark(
    name="vizwiz",
    summary="VizWiz: questions of blind people about their pictures, validation and test",
    about="""\
VizWiz validation (4,319 questions) and test (8,000, answers not public) -> <out>/vizwiz/.

--raw is a folder with, plain or packed, one of
  val.json, test.json, train.json     https://vizwiz.org/tasks-and-datasets/vqa (Annotations.zip)
  vizwiz_val_questions.json + vizwiz_val_annotations.json, vizwiz_test.jsonl  Qwen-VL's converted files
  val_questions_vqa_format.json + val_annotations_vqa_format.json   open_flamingo's, for val
A folder Annotations inside it is searched too. train is optional, for few-shot.

The pictures (https://vizwiz.cs.colorado.edu/VizWiz_final/images/val.zip, test.zip, train.zip) belong in
<out>/vizwiz/val, test and train; --images may name a folder that holds these.""",
    licence="annotations and pictures CC BY 4.0",
    home="https://vizwiz.org",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            Source(_official("val"), (("val.json", "vizwiz_val.json"),)),
            Source(
                pair(by_image_id("vizwiz/val")),
                (
                    ("vizwiz_val_questions.json", "val_questions_vqa_format.json"),
                    ("vizwiz_val_annotations.json", "val_annotations_vqa_format.json"),
                ),
            ),
            Source(converted("vizwiz/val", answers=ANNOTATORS), (("vizwiz_val.jsonl",),)),
        ),
        Split.of(
            TEST,
            Source(_official("test", public=False), (("test.json", "vizwiz_test.json"),)),
            Source(converted("vizwiz/test", public=False), (("vizwiz_test.jsonl",),)),
        ),
        Split.training(
            "vizwiz",
            Source(_official("train"), (("train.json", "vizwiz_train.json"),)),
            Source(
                pair(by_image_id(TRAIN)),
                (
                    ("vizwiz_train_questions.json", "train_questions_vqa_format.json"),
                    ("vizwiz_train_annotations.json", "train_annotations_vqa_format.json"),
                ),
            ),
            Source(converted(TRAIN), (("vizwiz_train.jsonl",),)),
        ),
    ],
    folders=("Annotations",),
    pictures={
        f"vizwiz/{part}": f"https://vizwiz.cs.colorado.edu/VizWiz_final/images/{part}.zip"
        for part in ("val", "test", "train")
    },
)
