"""MME: two yes/no questions about each picture, in 14 sub-tasks.

Paper: Fu et al. 2023 (https://arxiv.org/abs/2306.13394). Ids: sub-task, picture, and which of its questions.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_mme import release, results
from eval_mm.tasks.mme import TASKS

(MME,) = TASKS
PICTURES = "mme/images"
FOLDERS = ((".", "*"),)
"""--raw itself, or any folder in it: the content tells."""

BENCHMARK = Benchmark(
    name="mme",
    summary="MME: yes/no questions in 14 sub-tasks of perception and cognition",
    about="""\
MME (2,374 questions about 1,187 pictures) -> <out>/mme/.

--raw is one of these, or a folder with one of them
  MME_Benchmark_release_version   the release: a folder per sub-task, with pictures and questions
  Your_Results, LaVIN, ...        folders of eval_tool.zip, with a file per sub-task: to score answers
of https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models/tree/Evaluation

The pictures keep their places in the release, which belongs in <out>/mme/images: name it with --images, the
folder that has existence, count and so on in it. eval_tool has no pictures, and rows made from it name
<out>/mme/images/<sub-task>/<picture>.""",
    licence="for research, see its page; pictures: COCO and others",
    home="https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models/tree/Evaluation",
    tasks=TASKS,
    splits=[Split.of(MME, Source(release(PICTURES), FOLDERS), Source(results(PICTURES), FOLDERS))],
    folders=("MME_Benchmark_release_version", "eval_tool"),
    pictures={PICTURES: "the release, https://huggingface.co/datasets/darkyarding/MME"},
)
