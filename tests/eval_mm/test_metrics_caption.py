"""Caption metrics from captions to scores: real files, the cache of references, the metrics on request."""

import gzip
import json
import random
import sys
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval_mm.errors import UserError
from eval_mm.metrics import caption_cache, java, spice
from eval_mm.metrics.bleu import bleu
from eval_mm.metrics.caption import EXTRAS, caption_scores, extra_scores, tokenize
from eval_mm.metrics.cider import cider_d
from eval_mm.metrics.meteor import meteor
from eval_mm.stats import clustered_stderr
from tests.conftest import SHARED

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "captions.json").read_text(encoding="utf-8"))
WITH_METEOR = next(row for row in GOLDENS if "meteor" in row)
COCO = "coco_caption/magic_repo__mscoco__magic_result.json.gz"
FLICKR = "flickr30k/magic_repo__flickr30k__{}.json"


def real(name: str) -> tuple[list[str], list[list[str]]]:
    """Captions and references of a file of real predictions; skipped where it is absent."""
    path = SHARED / "real_data" / name
    if not path.is_file():
        pytest.skip(f"needs the real predictions {path}, which may not be redistributed")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        rows = json.load(file)
    return [row["prediction"] for row in rows], [row["captions"] for row in rows]


def mean(values: list[float] | None) -> float:
    assert values
    return sum(values) / len(values)


def test_coco() -> None:
    """4,982 real COCO captions: the published 49.3; the file's references are those of COCO's own file."""
    captions, references = real(COCO)
    assert round(100 * mean(caption_scores(captions, references)), 4) == 49.2887
    whole = SHARED / "real_data/coco_caption/coco_karpathy_test_gt.json.gz"
    own: dict[int, list[str]] = {}
    for annotation in json.loads(gzip.decompress(whole.read_bytes()))["annotations"]:
        own.setdefault(annotation["image_id"], []).append(annotation["caption"].strip())
    rows = json.loads(gzip.decompress((SHARED / "real_data" / COCO).read_bytes()))
    images = [int(Path(row["image_name"]).stem.rpartition("_")[2]) for row in rows]
    assert [own[image] for image in images] == [[text.strip() for text in texts] for texts in references]


@pytest.mark.parametrize(
    ("name", "cider", "bleu_4", "rouge_l"),
    [
        ("magic_result", 20.3724, 6.43, 31.57),
        ("baselines__contrastive_result", 8.8912, 11.90, 35.25),
    ],
)
def test_flickr30k(name: str, cider: float, bleu_4: float, rouge_l: float, tmp_path: Path) -> None:
    """1,000 real Flickr30K captions of two models; the second is scored with references from the cache."""
    captions, references = real(FLICKR.format(name))
    assert round(100 * mean(caption_scores(captions, references, tmp_path)), 4) == cider
    bleu = extra_scores("bleu", captions, references, tmp_path)
    assert list(bleu) == ["bleu_1", "bleu_2", "bleu_3", "bleu_4"]
    assert round(100 * bleu["bleu_4"][0], 2) == bleu_4
    value, values = extra_scores("rouge_l", captions, references, tmp_path)["rouge_l"]
    assert round(100 * value, 2) == rouge_l
    assert mean(values) == pytest.approx(value)


@pytest.mark.slow
def test_coco_equals_the_package() -> None:
    """Every one of 4,982 images to 1e-9, by the package's own loops; BLEU, ROUGE-L, METEOR as published."""
    captions, references = real(COCO)
    tokens = iter(tokenize([caption for image in references for caption in image]))
    gts = {number: [next(tokens) for _ in image] for number, image in enumerate(references)}
    res = {number: [caption] for number, caption in enumerate(tokenize(captions))}
    wanted = import_module("pycocoevalcap.cider.cider").Cider().compute_score(gts, res)[1].tolist()
    assert caption_scores(captions, references) == pytest.approx(wanted, abs=1e-9)
    published = {"bleu_1": 0.568, "bleu_2": 0.358, "bleu_3": 0.214, "bleu_4": 0.129}
    published |= {"meteor": 0.174, "rouge_l": 0.399}
    for name in ("bleu", "rouge_l", "meteor"):
        for metric, (value, _) in extra_scores(name, captions, references).items():
            assert round(value, 3) == published.pop(metric), metric
    assert not published


any_text = st.text(
    st.characters() | st.sampled_from("\n\r\x0b\x0c\x85\u2028\u2029\ud800<&*.'\"` "), max_size=30
)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(any_text, st.lists(any_text, min_size=1, max_size=3)), max_size=40))
def test_no_text_raises(tmp_path_factory: pytest.TempPathFactory, split: list[tuple[str, list[str]]]) -> None:
    """Whatever models and people write: a score in 0..10 per image, BLEU and ROUGE-L in 0..1."""
    captions, references = [caption for caption, _ in split], [texts for _, texts in split]
    folder = tmp_path_factory.getbasetemp() / "captions"
    found = caption_scores(captions, references, folder)
    assert len(found) == len(split)
    assert all(0 <= score <= 10 for score in found)
    for name in ("bleu", "rouge_l"):
        for value, values in extra_scores(name, captions, references, folder).values():
            assert 0 <= value <= 1
            assert values is None or mean(values) == pytest.approx(value)
            assert name == "bleu" or all(0 <= each <= 1 for each in values or [])


@pytest.mark.parametrize("row", GOLDENS[3:7:3])
def test_bleu_and_rouge_l_equal_the_package(row: dict[str, list[Any]]) -> None:
    """Our tokens reach the package's scorers, image by image."""
    bleu = extra_scores("bleu", row["candidates"], row["references"])
    assert [value for value, _ in bleu.values()] == pytest.approx(row["bleu"], abs=1e-9)
    assert extra_scores("rouge_l", row["candidates"], row["references"])["rouge_l"][1] == row["rouge_l"]


@pytest.mark.parametrize("shortest", [1.0, 0.4], ids=["long captions", "captions that are too short"])
def test_the_error_of_bleu_is_that_of_images_drawn_again(shortest: float) -> None:
    """BLEU had no error bar; without the penalty of short captions BLEU-1's is a third of what it is."""
    random, words = np.random.default_rng(4), np.array([*"abcdefgh"])
    references = [[" ".join(random.choice(words, 14)) for _ in range(2)] for _ in range(150)]
    captions = []
    for texts in references:
        text = np.where(random.random(14) < random.random(), texts[0].split(), random.choice(words, 14))
        captions.append(" ".join(text[: round(14 * random.uniform(shortest, 1))]))
    drawn = [random.integers(0, 150, 150) for _ in range(150)]
    again = [bleu([captions[n] for n in row], [references[n] for n in row]) for row in drawn]
    for name, (value, values) in bleu(captions, references).items():
        assert values is not None
        assert mean(values) == pytest.approx(value)
        error = clustered_stderr(values, range(150))
        assert error == pytest.approx(np.std([found[name][0] for found in again]), rel=0.2), name


def test_bleu_of_nothing_that_matches_has_no_error() -> None:
    """No two words match: the figure is a rounding guard of the package, and no errors can be made of it."""
    found = bleu(["one", "two"], [["one"], ["two words"]])
    assert found["bleu_1"][1] is not None
    assert (found["bleu_2"][1], found["bleu_4"][1]) == (None, None)


@pytest.mark.slow
def test_meteor_equals_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a German world of Latin letters and decimal commas; no file in the package; odd texts included."""
    monkeypatch.setenv("LC_ALL", "de_DE.ISO-8859-1")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE -Dfile.encoding=ISO-8859-1")
    before = (java.scorers() / "meteor").stat().st_mtime_ns
    candidates = [*WITH_METEOR["candidates"], "", "||| \u2028 ...", "café 漢字"]
    references = [*WITH_METEOR["references"], ["a cat", ""], ["a ||| b"], ["café 漢字"]]
    value, values = extra_scores("meteor", candidates, references)["meteor"]
    assert values is not None
    images = len(WITH_METEOR["candidates"])
    assert values[:images] == WITH_METEOR["meteor"][1:]
    assert values[images] == 0
    assert values[-1] > 0.9
    assert 0 < value < 1
    assert (java.scorers() / "meteor").stat().st_mtime_ns == before


def fake_java(folder: Path, script: str) -> str:
    """A home of Java whose `java` is a Python script."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    program.chmod(0o755)
    return str(folder)


TOKENISER = "import sys\nif '-preserveLines' in sys.argv:\n    sys.exit(print(input(), end=''))\n"


def test_the_conversation_with_meteor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is asked line by line and read of the answers; the program itself takes 7 s to start."""
    script = TOKENISER + (
        "assert input() == 'SCORE ||| a cat ||| two cats ||| a cat'\n"
        "print('1 2 ', flush=True)\n"
        "assert input() == 'SCORE ||| b ||| b '\n"
        "print('3 4 ', flush=True)\n"
        "assert input() == 'EVAL ||| 1 2 ||| 3 4'\n"
        "print(0.25, 0.75, 0.4, sep='\\n', flush=True)\n"
    )
    monkeypatch.setenv("JAVA_HOME", fake_java(tmp_path, script))
    found = meteor(["a cat", "b ||| "], [["a cat", "two cats"], ["b"]])
    assert found == (0.4, [0.25, 0.75])


def test_failing_meteor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Java that dies midway leaves pipes without an end: one line with its words, no hang."""
    script = TOKENISER + "sys.exit('Error: not enough memory')"
    monkeypatch.setenv("JAVA_HOME", fake_java(tmp_path, script))
    with pytest.raises(UserError, match=r"^METEOR: java failed: Error: not enough memory$"):
        extra_scores("meteor", ["a"], [["a"]])


def test_spice_without_models() -> None:
    """The published code downloads hundreds of megabytes unasked; one line says how to get them."""
    if all((java.scorers() / "spice" / "lib" / name).is_file() for name in spice.MODELS):
        pytest.skip(
            "SPICE's models are here; remove them from pycocoevalcap/spice/lib to see what is said without"
        )
    with pytest.raises(
        UserError, match=r"^SPICE needs stanford.* python -m pycocoevalcap\.spice\.get_stanford_models"
    ):
        extra_scores("spice", ["a"], [["a"]])


def test_spice_with_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is asked of the program and read of its answer, whatever the order; nothing beside the package."""
    package = tmp_path / "package"
    (package / "spice" / "lib").mkdir(parents=True)
    for name in spice.MODELS:
        (package / "spice" / "lib" / name).touch()
    monkeypatch.setattr(spice, "scorers", lambda: package)
    script = (
        "import json, sys\n"
        "asked, at = json.load(open(sys.argv[sys.argv.index('-jar') + 2])), sys.argv.index('-out')\n"
        "assert '-subset' in sys.argv and [row['refs'] for row in asked] == [['a', 'b'], ['c'], ['d']]\n"
        "values = {'x': 0.25, 'y': 0.75, 'z': None}\n"
        "found = [{'image_id': r['image_id'], 'scores': {'All': {'f': values[r['test']]}}} for r in asked]\n"
        "json.dump(found[::-1], open(sys.argv[at + 1], 'w'))\n"
    )
    monkeypatch.setenv("JAVA_HOME", fake_java(tmp_path / "java", script))
    before = sorted(package.rglob("*"))
    value, values = spice.spice(["x", "y", "z"], [["a", "b"], ["c"], ["d"]])
    assert (round(value, 9), values) == (0.333333333, [0.25, 0.75, 0])
    assert sorted(package.rglob("*")) == before
    monkeypatch.setenv(
        "JAVA_HOME", fake_java(tmp_path / "failing", "import sys; sys.exit('Error: no class')")
    )
    with pytest.raises(UserError, match=r"^SPICE: java failed: Error: no class .*JAVA_HOME"):
        spice.spice(["x"], [["a"]])


@pytest.mark.parametrize("name", EXTRAS)
def test_nothing_to_score(name: Any) -> None:
    """A shard without samples is no error."""
    assert extra_scores(name, [], []) == {}
    assert caption_scores([], []) == []


REFERENCES = [["a cat", "two cats sit"], ["a dog runs"], ["", "-"]]
CAPTIONS = ["a cat", "a dog", "a bird"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an entry whenever references are tokenised, here without Java: the texts are tokens already."""
    calls: list[int] = []

    def counting(texts: list[str]) -> list[str]:
        calls.append(len(texts))
        return texts

    monkeypatch.setattr(caption_cache, "tokenize", counting)
    return calls


def scores(folder: Path | None, references: list[list[str]] = REFERENCES) -> list[float]:
    return cider_d(CAPTIONS, caption_cache.tokenized_references(references, folder).statistics)


def test_cache_gives_the_same_scores(tmp_path: Path, counted: list[int]) -> None:
    """Cached or not, the scores are the same to the last bit, and the references are tokenised once."""
    rng = random.Random(3)
    words = ["a", "red", "blue", "cat", "dog", "sits", "on", "the", "grass"]
    references = [[" ".join(rng.choices(words, k=8)) for _ in range(5)] for _ in range(40)]
    captions = [" ".join(rng.choices([*words, "zebra"], k=7)) for _ in references]
    folder = tmp_path / "data" / ".cache" / "captions"
    plain = caption_scores(captions, references)
    assert caption_scores(captions, references, folder) == plain
    assert counted == [200, 200]
    assert caption_scores(captions, references, folder) == plain
    extra_scores("rouge_l", captions, references, folder)
    assert counted == [200, 200]
    assert len(list(folder.iterdir())) == 1


def test_cache_knows_what_it_keeps(tmp_path: Path, counted: list[int]) -> None:
    """Other texts, another order or another grouping of the same texts are other references."""
    for references in (
        [["a b", "c"], ["d"]],
        [["d"], ["a b", "c"]],
        [["a b"], ["c", "d"]],
        [["a", "b c"], ["d"]],
        [["a b", "c"], ["d", ""]],
    ):
        found = caption_cache.tokenized_references(references, tmp_path)
        again = caption_cache.tokenized_references(references, tmp_path)
        assert again.tokens == found.tokens == references
        assert again.statistics.words == found.statistics.words
    assert len(list(tmp_path.iterdir())) == len(counted) == 5


def test_damaged_cache(tmp_path: Path, counted: list[int]) -> None:
    """Cut or changed anywhere, a file is either unharmed in what matters or not used, then written anew."""
    plain = scores(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    changed = [bytes([*whole[:at], whole[at] ^ 0xFF, *whole[at + 1 :]]) for at in range(0, len(whole), 29)]
    unused = 0
    for damaged in [whole[: len(whole) * part // 10] for part in range(10)] + changed:
        path.write_bytes(damaged)
        counted.clear()
        assert scores(tmp_path) == plain
        unused += len(counted)
        assert not counted or path.read_bytes() == whole
    assert unused > len(changed) / 2
    for content in (b"", b"no archive", whole[:-100], b"PK\x03\x04" + bytes(300)):
        path.write_bytes(content)
        counted.clear()
        assert scores(tmp_path) == plain
        assert counted == [5]
        assert path.read_bytes() == whole


def test_foreign_cache(tmp_path: Path, counted: list[int]) -> None:
    """A file of other references under this name, a bare array and an archive of pickles are not believed."""
    plain = scores(tmp_path)
    (path,) = tmp_path.iterdir()
    scores(tmp_path, [["x"], ["y"], ["z"]])
    (other,) = set(tmp_path.iterdir()) - {path}
    bare, pickles = BytesIO(), BytesIO()
    np.save(bare, np.arange(5))
    np.savez(pickles, key=np.array([{"a": 1}], dtype=object))
    for content in (other.read_bytes(), bare.getvalue(), pickles.getvalue()):
        path.write_bytes(content)
        counted.clear()
        assert scores(tmp_path) == plain
        assert counted == [5]


def test_unwritable_cache(tmp_path: Path, counted: list[int]) -> None:
    """A data root that cannot be written only means that nothing is kept."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    assert scores(blocked / "captions") == scores(None)
    assert len(counted) == 2
