"""DocVQA: questions about scanned documents.

Paper: Mathew et al. 2021 (https://arxiv.org/abs/2007.00398). The id is the question's own.
"""

from data_scripts.benchmark import Benchmark, Split
from data_scripts.forms_docvqa import Server
from eval_mm.tasks.docvqa import TASKS

VAL, TEST = TASKS
PICTURES = "docvqa/documents"
SERVER = Server("docvqa", "DocVQA", PICTURES, "image")

BENCHMARK = Benchmark(
    name="docvqa",
    summary="DocVQA: questions about scanned documents, validation and test",
    about="""\
DocVQA (single page) validation (5,349 questions) and test (5,188, answers not public) -> <out>/docvqa/.

--raw is a folder with, plain or packed, one of
  val_v1.0_withQT.json or val_v1.0.json, test_v1.0.json, train_v1.0_withQT.json or train_v1.0.json
      https://rrc.cvc.uab.es/?ch=17 (Task 1; log in), also in folders spdocvqa_qas, val, test, train inside it
  val.jsonl, test.jsonl, train.jsonl   Qwen-VL's converted files; names may have a prefix (docvqa_val.jsonl)
train is optional, for few-shot.

The pictures, of the same page, belong in <out>/docvqa/documents, whatever split they are of.""",
    licence="see its page (login); documents of the UCSF Industry Documents Library",
    home="https://www.docvqa.org",
    tasks=TASKS,
    splits=[
        Split.of(VAL, *SERVER.sources("val", "*val_v1.0.json", "*val_v1.0_withQT.json")),
        Split.of(TEST, *SERVER.sources("test", "*test_v1.0.json")),
        Split.training("docvqa", *SERVER.sources("train", "*train_v1.0.json", "*train_v1.0_withQT.json")),
    ],
    folders=("spdocvqa_qas", "val", "test", "train"),
    pictures={PICTURES: "documents of Task 1, https://rrc.cvc.uab.es/?ch=17 (log in)"},
)
