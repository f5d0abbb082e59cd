"""MMBench: questions with options, each asked once for every rotation of its options.

Paper: Liu et al. 2023 (https://arxiv.org/abs/2307.06281). Dev and test of 20230712; ids are the official
indices. The pictures lie in the tables and keep their bytes, where the published conversion encodes them
anew as JPEG.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_mmbench import table
from eval_mm.tasks.mmbench import TASKS

DEV, TEST = TASKS
DEV_PICTURES, TEST_PICTURES = "mmbench/images/dev", "mmbench/images/test"

BENCHMARK = Benchmark(
    name="mmbench",
    summary="MMBench: options in every rotation, dev and test of 20230712",
    about="""\
MMBench dev (4,377 rows about 1,176 questions) and test (answers not public) -> <out>/mmbench/.

--raw is a folder with, plain or packed,
  mmbench_dev_20230712.tsv, mmbench_test_20230712.tsv   https://github.com/open-compass/MMBench
Tables of other dates and languages are other benchmarks.

The pictures lie in the tables and are written to <out>/mmbench/images/dev and <out>/mmbench/images/test.""",
    licence="Apache-2.0; pictures: see its page",
    home="https://github.com/open-compass/MMBench",
    tasks=TASKS,
    splits=[
        Split.of(
            DEV,
            Source(table(DEV_PICTURES, public=True), (("mmbench_dev_20230712.tsv",),)),
            Source(table(DEV_PICTURES, public=True), (("mmbench_dev*.tsv",),)),
        ),
        Split.of(
            TEST,
            Source(table(TEST_PICTURES, public=False), (("mmbench_test_20230712.tsv", "mmbench_test.tsv"),)),
        ),
    ],
    folders=("mmbench_dev_20230712", "mmbench_test_20230712"),
    pictures={DEV_PICTURES: "written by prepare", TEST_PICTURES: "written by prepare"},
)
