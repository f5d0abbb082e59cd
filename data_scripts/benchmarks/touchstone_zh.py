"""TouchStone in Chinese, whose file is not public: who has one prepares it as the English one.

Paper: Bai et al. 2023 (https://arxiv.org/abs/2308.16890). A benchmark of its own, so that the English one can
be whole without it.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_touchstone import table
from eval_mm.tasks.touchstone import TASKS

CHINESE = TASKS[1]
PICTURES = "touchstone/images/zh"

BENCHMARK = Benchmark(
    name="touchstone_zh",
    summary="TouchStone in Chinese; its file is not public",
    about="""\
TouchStone in Chinese -> <out>/touchstone/touchstone_zh.jsonl.

--raw is a table with the columns of the English one, or a folder with it: touchstone_zh*.tsv. No such file
is public, and how many questions the published figures were made on is not stated.

The pictures lie in the table and are written to <out>/touchstone/images/zh.""",
    licence="not stated",
    home="https://github.com/OFA-Sys/TouchStone",
    tasks=[CHINESE],
    splits=[
        Split.of(CHINESE, Source(table(PICTURES, "zh"), (("touchstone_zh*.tsv", "touchstone_cn*.tsv"),)))
    ],
    folders=(),
    pictures={PICTURES: "written by prepare"},
)
