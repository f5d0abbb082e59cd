"""GRIT, its referring expressions.

Paper: Gupta et al. 2022 (https://arxiv.org/abs/2204.13653). Boxes are kept by the benchmark's server; width
and height of a picture stand nowhere but in the picture, so prepare has to see it.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_grounding import grit, grit_examples
from eval_mm.schema import Sample
from eval_mm.tasks.grit import TASKS

(REFEXP,) = TASKS
PICTURES, COCO = "grit/images", "coco/train2014"


def _stated_size(sample: Sample) -> tuple[int, int]:
    return sample.metadata["width"], sample.metadata["height"]


BENCHMARK = Benchmark(
    name="grit",
    summary="GRIT: referring expressions, answers judged by its server",
    about="""\
GRIT, task refexp, answers not public -> <out>/grit/. How many expressions it has is not checked.

--raw is a folder with, plain or packed, one of
  refexp.json    https://github.com/allenai/grit_official (download.sh), folder samples/test; for the ablation
      subset name the folder samples/ablation: rows from a folder of that name become a submission to its
      server. samples/test and GRIT/samples/test inside it are searched too.
  samples.json   the examples of that repository, data/examples; with boxes, --allow-partial

The pictures must be there, for their width and height stand nowhere else: COCO train2014 in
<out>/coco/train2014, the others, by their path in GRIT/images, in <out>/grit/images; --images may name a
folder that holds both. With --allow-partial expressions without a picture are left out.""",
    licence="Apache-2.0 as its repository states; pictures: terms of COCO and RefCLEF",
    home="https://grit-benchmark.org",
    tasks=TASKS,
    splits=[
        Split.of(
            REFEXP,
            Source(grit(PICTURES), (("refexp.json", "grit_refexp.json"),)),
            Source(grit_examples(PICTURES), (("samples.json",),)),
        )
    ],
    folders=("samples/test", "GRIT/samples/test"),
    pictures={
        PICTURES: "GRIT/images after https://github.com/allenai/grit_official's download.sh",
        COCO: "COCO train2014, http://images.cocodataset.org/zips/train2014.zip",
    },
    stated_size=_stated_size,
    needs_sizes=True,
)
