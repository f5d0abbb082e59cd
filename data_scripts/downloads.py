"""Where every benchmark's files come from: one table, and a page for what no program may fetch.

The URLs are those of the benchmarks' own pages and repositories, or of the pages that these name. Sizes and
hashes are recorded ones (those of COCO, of Karpathy's splits and of TextVQA by public data set libraries);
empty where none is recorded. What needs a login, a form or a click has no URL here: `PAGES` says what to do.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Kind = Literal["annotations", "pictures"]


class File(NamedTuple):
    """One file to have. Without a URL it is put there by hand, as its page says.

    `folder` is where it lies below --out, the benchmark's own by default; pictures that several benchmarks
    share lie in one. `unpack` archives are unpacked there. `train` files are for few-shot examples only.
    """

    benchmark: str
    kind: Kind
    file: str
    url: str = ""
    size: int | None = None
    sha256: str = ""
    unpack: bool = False
    note: str = ""
    shared: str = ""
    train: bool = False

    @property
    def folder(self) -> str:
        """The folder below --out."""
        return self.shared or self.benchmark


class Page(NamedTuple):
    """How to get what must be fetched by hand: why, where, and step by step."""

    why: str
    url: str
    steps: tuple[str, ...]


COCO = "http://images.cocodataset.org"
VQA = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
OKVQA = "https://okvqa.allenai.org/static/data"
TEXTVQA = "https://dl.fbaipublicfiles.com/textvqa"
VIZWIZ = "https://vizwiz.cs.colorado.edu/VizWiz_final"
GQA = "https://downloads.cs.stanford.edu/nlp/data/gqa"
SCIENCEQA = "https://raw.githubusercontent.com/lupantech/ScienceQA/main/data/scienceqa"
SEEDBENCH = "https://huggingface.co/datasets/AILab-CVC/SEED-Bench/resolve/main"
MMBENCH = "https://download.openmmlab.com/mmclassification/datasets/mmbench"
TOUCHSTONE = "https://touchstone-beijing.oss-cn-beijing.aliyuncs.com/dataset"
KARPATHY = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
REC = "https://raw.githubusercontent.com/deepcs233/Visual-CoT/03729c4aad42cdfe2ae2eeaec74143db3cf8d017/llava/eval/REC"


class _Pictures(NamedTuple):
    size: int
    sha256: str


COCO_PICTURES = {
    "train2014": _Pictures(13510573713, "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775"),
    "val2014": _Pictures(6645013297, "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0"),
    "test2015": _Pictures(13270587935, "1a2aa896b81140a850a78fa8bff07d455698d2abf364ff05721763458a8101ca"),
}


def _coco(benchmark: str, part: str, note: str = "", train: bool = False) -> File:
    """A part of the COCO pictures, which half of the benchmarks share."""
    known = COCO_PICTURES[part]
    return File(
        benchmark,
        "pictures",
        f"{part}.zip",
        f"{COCO}/zips/{part}.zip",
        *known,
        unpack=True,
        note=note,
        shared="coco",
        train=train,
    )


def _karpathy(benchmark: str) -> File:
    return File(
        benchmark,
        "annotations",
        "caption_datasets.zip",
        KARPATHY,
        36745453,
        "4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
        unpack=True,
        note="Karpathy's splits of COCO, Flickr8K and Flickr30K",
    )


def _rec(name: str, size: int, sha256: str) -> File:
    return File("refcoco", "annotations", name, f"{REC}/{name}", size, sha256)


def _packed(benchmark: str, kind: Kind, url: str, note: str = "", train: bool = False) -> File:
    return File(benchmark, kind, url.rsplit("/", 1)[1], url, unpack=True, note=note, train=train)


def _named(benchmark: str, url: str, note: str = "") -> File:
    return File(benchmark, "annotations", url.rsplit("/", 1)[1], url, note=note)


FILES: tuple[File, ...] = (
    File(
        "nocaps",
        "annotations",
        "nocaps_val_4500_captions.json",
        "https://nocaps.s3.amazonaws.com/nocaps_val_4500_captions.json",
    ),
    _karpathy("flickr30k"),
    File("flickr30k", "pictures", "flickr30k-images.tar.gz", unpack=True),
    File(
        "coco",
        "annotations",
        "annotations_trainval2014.zip",
        f"{COCO}/annotations/annotations_trainval2014.zip",
        252872794,
        "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
        unpack=True,
    ),
    _karpathy("coco"),
    _coco("coco", "train2014"),
    _coco("coco", "val2014"),
    _coco("coco", "test2015"),
    _packed("vqav2", "annotations", f"{VQA}/v2_Questions_Val_mscoco.zip"),
    _packed("vqav2", "annotations", f"{VQA}/v2_Annotations_Val_mscoco.zip"),
    _packed("vqav2", "annotations", f"{VQA}/v2_Questions_Test_mscoco.zip", note="has test-dev2015"),
    _packed("vqav2", "annotations", f"{VQA}/v2_Questions_Train_mscoco.zip", train=True),
    _packed("vqav2", "annotations", f"{VQA}/v2_Annotations_Train_mscoco.zip", train=True),
    _coco("vqav2", "val2014", "for vqav2_val"),
    _coco("vqav2", "test2015", "for vqav2_testdev"),
    _coco("vqav2", "train2014", train=True),
    _packed("okvqa", "annotations", f"{OKVQA}/OpenEnded_mscoco_val2014_questions.json.zip"),
    _packed("okvqa", "annotations", f"{OKVQA}/mscoco_val2014_annotations.json.zip"),
    _packed("okvqa", "annotations", f"{OKVQA}/OpenEnded_mscoco_train2014_questions.json.zip", train=True),
    _packed("okvqa", "annotations", f"{OKVQA}/mscoco_train2014_annotations.json.zip", train=True),
    _coco("okvqa", "val2014"),
    _coco("okvqa", "train2014", train=True),
    _packed("gqa", "annotations", f"{GQA}/questions1.2.zip", note="1.4 GB"),
    _packed("gqa", "pictures", f"{GQA}/images.zip", note="20 GB"),
    File(
        "textvqa",
        "annotations",
        "TextVQA_0.5.1_val.json",
        f"{TEXTVQA}/data/TextVQA_0.5.1_val.json",
        3116162,
        "4ceb5aadc1a41719d0a3e4dfdf06838bcfee1db569a9a65ee67d31c99893081d",
    ),
    File(
        "textvqa",
        "annotations",
        "TextVQA_0.5.1_train.json",
        f"{TEXTVQA}/data/TextVQA_0.5.1_train.json",
        21634937,
        "95f5c407db56cba56a177799dcd685a7cc0ec7c0d851b59910acf7786d31b68a",
        train=True,
    ),
    File(
        "textvqa",
        "pictures",
        "train_val_images.zip",
        f"{TEXTVQA}/images/train_val_images.zip",
        7072297970,
        "ecf35005640d0708eae185aab1c0a10f89b2db7420b29185a1ed92a8f4290498",
        unpack=True,
    ),
    _packed("vizwiz", "annotations", f"{VIZWIZ}/vqa_data/Annotations.zip"),
    _packed("vizwiz", "pictures", f"{VIZWIZ}/images/val.zip"),
    _packed("vizwiz", "pictures", f"{VIZWIZ}/images/test.zip"),
    _packed("vizwiz", "pictures", f"{VIZWIZ}/images/train.zip", train=True),
    File("docvqa", "annotations", "spdocvqa_qas.zip", unpack=True),
    File("docvqa", "pictures", "spdocvqa_images.tar.gz", unpack=True),
    File("infovqa", "annotations", "infographicsvqa_qas.zip", unpack=True),
    File("infovqa", "pictures", "infographicsvqa_images.tar.gz", unpack=True),
    File(
        "chartqa",
        "annotations",
        "ChartQA-main.zip",
        "https://github.com/vis-nlp/ChartQA/archive/refs/heads/main.zip",
        unpack=True,
        note="questions and charts; the server cannot resume",
    ),
    File("ocrvqa", "annotations", "dataset.json"),
    _packed(
        "ai2d",
        "annotations",
        "https://ai2-public-datasets.s3.amazonaws.com/diagrams/ai2d-all.zip",
        note="questions and diagrams",
    ),
    File(
        "ai2d",
        "annotations",
        "ai2d_test_ids.csv",
        "https://s3-us-east-2.amazonaws.com/prior-datasets/ai2d_test_ids.csv",
        note="which diagrams are the test split",
    ),
    _rec(
        "REC_refcoco_unc_val.jsonl",
        2750727,
        "8285d21ae821d94d1f4687b07c0b3ed5a51e623c8bc44948aed071dcec826b4a",
    ),
    _rec(
        "REC_refcoco_unc_testA.jsonl",
        1403558,
        "e568402a14e1f20d038848ecd06169c85d5957f6cb3d9a72e8cd82c3d3ab1b67",
    ),
    _rec(
        "REC_refcoco_unc_testB.jsonl",
        1274064,
        "9508b82b3b5224b537abedc347d020f359c6672d5d0eb14601a1379958206b34",
    ),
    _rec(
        "REC_refcoco+_unc_val.jsonl",
        2781599,
        "360a9e3e5303298d91cedd127104d8efcb19773cf192a3c3abed4813bf2a80a2",
    ),
    _rec(
        "REC_refcoco+_unc_testA.jsonl",
        1444551,
        "e6a6a7a4589d5c0eb6968b5b85055a47b56b8b9fedb5e0af1db646e41e98c476",
    ),
    _rec(
        "REC_refcoco+_unc_testB.jsonl",
        1247971,
        "b84968873f36fc712d0db446dd0824586f5f412ac44f40798a1b9e8007f8c028",
    ),
    _rec(
        "REC_refcocog_umd_val.jsonl",
        1360143,
        "1d902eb42a0952b35c7f6e3e5a1095f390feecce20a67696f1e6f9d125262bf6",
    ),
    _rec(
        "REC_refcocog_umd_test.jsonl",
        2609964,
        "95804d2a4140d241451f73c731a7cf3ef0fd891086c234c76f5b02564ace6a31",
    ),
    _coco("refcoco", "train2014"),
    _packed("grit", "annotations", "https://ai2-prior-grit.s3.us-west-2.amazonaws.com/public/grit_data.zip"),
    _coco("grit", "train2014"),
    File("grit", "pictures", "saiapr_tc-12.zip", unpack=True, note="the pictures of RefCLEF"),
    _named("scienceqa", f"{SCIENCEQA}/problems.json"),
    _named("scienceqa", f"{SCIENCEQA}/pid_splits.json"),
    _packed("scienceqa", "pictures", "https://scienceqa.s3.us-west-1.amazonaws.com/images/test.zip"),
    _named("seedbench", f"{SEEDBENCH}/SEED-Bench.json"),
    _packed("seedbench", "pictures", f"{SEEDBENCH}/SEED-Bench-image.zip", note="of dimensions 1 to 9"),
    _named("mmbench", f"{MMBENCH}/mmbench_dev_20230712.tsv", note="questions and pictures"),
    _named("mmbench", f"{MMBENCH}/mmbench_test_20230712.tsv", note="questions and pictures"),
    _packed(
        "mme",
        "annotations",
        "https://huggingface.co/datasets/darkyarding/MME/resolve/main/MME_Benchmark_release_version.zip",
        note="questions and pictures; linked from the benchmark's page",
    ),
    _named("touchstone", f"{TOUCHSTONE}/touchstone_20230831.tsv", note="questions and pictures"),
    File("touchstone_zh", "annotations", "touchstone_zh.tsv", note="questions and pictures"),
)

_RRC = (
    "log in (an account is free), open the page again and accept its terms",
    "under {task}, download the annotations and the images",
)
RRC_PAGE = "https://rrc.cvc.uab.es/?ch=17&com=downloads"

PAGES: dict[tuple[str, Kind], Page] = {
    ("flickr30k", "pictures"): Page(
        "they are given out on request only",
        "https://shannon.cs.illinois.edu/DenotationGraph/",
        ("fill in the form of the page; a link comes by e-mail", "download flickr30k-images.tar.gz"),
    ),
    ("docvqa", "annotations"): Page(
        "the site wants a login",
        RRC_PAGE,
        (_RRC[0], _RRC[1].format(task="Task 1, Single Page Document VQA")),
    ),
    ("infovqa", "annotations"): Page(
        "the site wants a login",
        RRC_PAGE,
        (_RRC[0], _RRC[1].format(task="Task 3, Infographics VQA")),
    ),
    ("ocrvqa", "annotations"): Page(
        "they lie in a Google Drive folder",
        "https://drive.google.com/drive/folders/1_GYPY5UkUy7HIcR0zq3ZCFgeZN7BAfm_",
        ("the folder is linked from https://ocr-vqa.github.io/", "download dataset.json"),
    ),
    ("grit", "pictures"): Page(
        "the server of the RefCLEF pictures no longer answers",
        "https://github.com/lichengunc/refer",
        (
            "the page names saiapr_tc-12.zip, 'the cleaned subset of ImageCLEF'; find a copy of it",
            "without it only the expressions about COCO pictures can be asked",
        ),
    ),
    ("seedbench", "pictures"): Page(
        "each data set of clips has its own terms",
        "https://github.com/AILab-CVC/SEED-Bench/blob/main/DATASET.md",
        (
            "dimension 10: the webm files of Something-Something v2, "
            "https://developer.qualcomm.com/software/ai-datasets/something-something",
            "dimension 11: 138 videos of EPIC-KITCHENS-100, named in SEED-Bench.json, "
            "https://github.com/epic-kitchens/epic-kitchens-download-scripts",
            "dimension 12: BreakfastII_15fps_qvga_sync of Breakfast, "
            "https://serre-lab.clps.brown.edu/resource/breakfast-actions-dataset/",
            "after prepare: python -m data_scripts frames seedbench --clips DIR makes the frames of each",
        ),
    ),
    ("touchstone_zh", "annotations"): Page(
        "no file of it is public",
        "https://github.com/OFA-Sys/TouchStone",
        ("only who has a table with the columns of the English one can prepare it",),
    ),
}
PAGES["docvqa", "pictures"] = PAGES["docvqa", "annotations"]
PAGES["infovqa", "pictures"] = PAGES["infovqa", "annotations"]


UNPACKED = {
    "ai2d/images": "ai2d/ai2d/images",
    "ai2d/abc_images": "ai2d/ai2d/abc_images",
    "chartqa/test/png": "chartqa/ChartQA-main/ChartQA Dataset/test/png",
    "chartqa/train/png": "chartqa/ChartQA-main/ChartQA Dataset/train/png",
    "docvqa/documents": "docvqa/spdocvqa_images",
    "flickr30k/images": "flickr30k/flickr30k-images",
    "infovqa/images": "infovqa/infographicsvqa_images",
    "mme/images": "mme/MME_Benchmark_release_version/MME_Benchmark",
    "scienceqa/images/test": "scienceqa/test",
}
"""A folder that rows name -> where its pictures lie below --out once unpacked, where that is another."""

BESIDES = {"coco": "COCO 2014 and 2015: the pictures that several benchmarks share, and captions"}
"""What the table has besides benchmarks."""


def files_of(benchmark: str, only: Kind | None = None, train: bool = False) -> Sequence[File]:
    """The files of a benchmark, or those of one kind; `train` adds what few-shot examples come from."""
    return [
        row
        for row in FILES
        if row.benchmark == benchmark and only in (None, row.kind) and (train or not row.train)
    ]


def pages_of(benchmark: str, only: Kind | None = None) -> Sequence[tuple[Kind, Page]]:
    """What must be fetched by hand, annotations first."""
    kinds: tuple[Kind, ...] = ("annotations", "pictures")
    return [
        (kind, PAGES[benchmark, kind])
        for kind in kinds
        if only in (None, kind) and (benchmark, kind) in PAGES
    ]


def names() -> list[str]:
    """Everything the table has files or pages of, in its order."""
    return list(dict.fromkeys([row.benchmark for row in FILES] + [name for name, _ in PAGES]))
