"""TouchStone: open questions about pictures, judged by a language model.

Paper: Bai et al. 2023 (https://arxiv.org/abs/2308.16890). Ids are the official indices. The pictures lie in
the table and keep their bytes.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_touchstone import table
from eval_mm.tasks.touchstone import TASKS

ENGLISH = TASKS[0]
PICTURES = "touchstone/images/en"

BENCHMARK = Benchmark(
    name="touchstone",
    summary="TouchStone: open questions, judged by a language model",
    about="""\
TouchStone (908 questions in English) -> <out>/touchstone/touchstone_en.jsonl.

--raw is the official table, or a folder with it, plain or packed:
  touchstone_20230831.tsv                 https://github.com/OFA-Sys/TouchStone

The pictures lie in the table and are written to <out>/touchstone/images/en. Answers are judged by
  python -m touchstone judge RUN""",
    licence="no licence of the questions is stated; pictures: see its page",
    home="https://github.com/OFA-Sys/TouchStone",
    tasks=[ENGLISH],
    splits=[
        Split.of(
            ENGLISH,
            Source(table(PICTURES, "en"), (("touchstone_20230831.tsv",),)),
            Source(table(PICTURES, "en"), (("touchstone_2*.tsv", "touchstone_en*.tsv", "touchstone.tsv"),)),
        )
    ],
    folders=(),
    pictures={PICTURES: "written by prepare"},
)
