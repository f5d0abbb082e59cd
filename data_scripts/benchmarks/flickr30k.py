"""Flickr30K: captions of everyday pictures.

Paper: Young et al. 2014 (https://aclanthology.org/Q14-1006); split of Karpathy & Fei-Fei 2015
(https://arxiv.org/abs/1412.2306). The id is the picture's name without its ending; a file in COCO's form has
its own.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_caption import captions_with_images, coco, karpathy, listed, plain
from eval_mm.tasks.flickr30k import TASKS

(TEST,) = TASKS
PICTURES = "flickr30k/images"
ANNOTATORS = 5
LINES = ("*test_2016_images.txt", "test_2016_flickr.txt")

BENCHMARK = Benchmark(
    name="flickr30k",
    summary="Flickr30K: captions, Karpathy test",
    about="""\
Flickr30K, Karpathy's test split (1,000 pictures, 5 captions each) -> <out>/flickr30k/.

--raw is a folder with, plain or packed, one of
  dataset_flickr30k.json        https://cs.stanford.edu/people/karpathy/deepimagesent (caption_datasets.zip);
      it has the training split for few-shot too
  flickr30k_karpathy_test.json  Qwen-VL's converted file, COCO's form; also flickr30k_karpathy_train.json
  *_result.json                 a list of {"image_name", "captions", ..}, as MAGIC has with its predictions
  test_2016_images.txt + test_2016.1.en ... test_2016.5.en   https://github.com/multi30k/dataset (task 2)

The pictures are given out on request (https://shannon.cs.illinois.edu/DenotationGraph) and belong in
<out>/flickr30k/images.""",
    licence="non-commercial research and education; pictures: Flickr terms of use",
    home="https://shannon.cs.illinois.edu/DenotationGraph",
    tasks=TASKS,
    splits=[
        Split.of(
            TEST,
            Source(karpathy(PICTURES, "test"), (("dataset_flickr30k.json",),)),
            Source(coco(PICTURES), (("flickr30k_karpathy_test.json", "flickr30k_test_karpathy.json"),)),
            Source(listed(PICTURES, "test"), (("*_result.json", "flickr30k_test.json"),)),
            Source(
                plain(PICTURES, ANNOTATORS),
                (LINES, *((f"*test_2016.{i}.en",) for i in range(1, ANNOTATORS + 1))),
            ),
        ),
        Split.training(
            "flickr30k",
            Source(karpathy(PICTURES, "train"), (("dataset_flickr30k.json",),)),
            Source(coco(PICTURES), (("flickr30k_karpathy_train.json",),)),
            Source(captions_with_images(PICTURES), (("flickr30k_karpathy_train.json",),)),
        ),
    ],
    folders=(),
    pictures={PICTURES: "on request: https://shannon.cs.illinois.edu/DenotationGraph"},
)
