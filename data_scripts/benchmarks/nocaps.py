"""NoCaps: captions of pictures with objects that COCO captions do not name.

Paper: Agrawal et al. 2019 (https://arxiv.org/abs/1812.08658). The id is that of the picture's record.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_caption import coco
from eval_mm.tasks.nocaps import TASKS

(VAL,) = TASKS
PICTURES = "nocaps/val"

BENCHMARK = Benchmark(
    name="nocaps",
    summary="NoCaps: captions of objects new to COCO, validation",
    about="""\
NoCaps validation (4,500 pictures, 10 captions each) -> <out>/nocaps/.

--raw is a folder with, plain or packed, one of
  nocaps_val_4500_captions.json   https://nocaps.s3.amazonaws.com/nocaps_val_4500_captions.json; it says of
      every picture whether its objects are in-domain, near-domain or out-domain
  nocaps_val.json                 Qwen-VL's converted file
nocaps_val_image_info.json has no captions, so nothing can be prepared from it.

The pictures are of Open Images (https://nocaps.org/download) and belong in <out>/nocaps/val.""",
    licence="captions and pictures CC BY 2.0",
    home="https://nocaps.org",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            Source(
                coco(PICTURES),
                (("nocaps_val_4500_captions.json", "nocaps_val.json", "nocaps_val_image_info.json"),),
            ),
        )
    ],
    folders=(),
    pictures={PICTURES: "Open Images by their coco_url: https://nocaps.org/download"},
)
