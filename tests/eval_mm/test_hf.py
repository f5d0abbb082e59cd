"""Models of transformers: three families on every task, batches, limits, and checkpoints that are refused."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from PIL import Image as Picture
from safetensors.torch import load_file, save_file

from eval_mm import models, tasks
from eval_mm.cli import main
from eval_mm.data import DEMO_ROOT, Selection
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.models.hf import HFBackend
from eval_mm.models.hf_prompts import prompted
from eval_mm.run import run
from eval_mm.schema import Image, Mark, Prediction, Request
from qwen_vl.image import load_image
from tests.eval_mm import tiny_models

PICTURES = sorted(str(path) for path in (DEMO_ROOT / "scenes").glob("*.png"))[:6]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each family."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, build in tiny_models.FAMILIES.items():
        build(folder / name)
    tiny_models.qwen_vl(folder / "qwen2_5_vl", "2_5")
    return {path.name: path for path in folder.iterdir()}


def backend(folder: Path, **settings: object) -> HFBackend:
    """A model on the CPU in float32."""
    made = models.load(f"hf:{folder}", Settings("cpu", "float32", **settings))  # type: ignore[arg-type]
    assert isinstance(made, HFBackend)
    return made


def ask(model: HFBackend, requests: Iterable[Request]) -> dict[str, Prediction]:
    """The answers by id; none may have failed."""
    answers = {answer.id: answer for answer in model.generate(requests)}
    assert [answer.error for answer in answers.values()] == [None] * len(answers)
    return answers


def requests() -> list[Request]:
    """Prompts of many lengths, one to three pictures or none, texts to write and choices to rank."""
    made = [
        Request(f"text{i}", (Image(path), f"What is this?{' Say more.' * i}"), max_new_tokens=8 + i % 2)
        for i, path in enumerate(PICTURES)
    ]
    pair = (Image(PICTURES[0]), "and", Image(PICTURES[3]), Mark("<ref>"), "which?")
    made.append(Request("pair", pair, max_new_tokens=8))
    made += [
        Request(f"rank{i}", (Image(path), "Which?"), choices=(" red", " a blue one", "C")[: 2 + i % 2])
        for i, path in enumerate(PICTURES[:3])
    ]
    return made


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_every_task_family(family: str, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """A family answered captions and crashed on clips: each is asked two rows of every demo task."""
    settings = Settings("cpu", "float32", box_scale="fraction")
    report = run(
        f"hf:{checkpoints[family]}", ["all"], "demo", selection=Selection(2), settings=settings, out=tmp_path
    )
    assert {outcome.result.task for outcome in report.outcomes} == set(tasks.all_tasks())
    assert [outcome.first_errors for outcome in report.outcomes] == [()] * len(report.outcomes)
    assert {outcome.result.prompt_protocol for outcome in report.outcomes} == {"instruct"}


def test_a_model_with_a_chat_template_is_asked_in_it_by_name(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    """Protocol qwen-vl in a chat turn is another question; its number once stood under the plain name."""
    settings = Settings("cpu", "float32", box_scale="fraction")
    names = {}
    for family in ("llava", "paligemma"):
        spec = f"hf:{checkpoints[family]}"
        assert models.describe(spec, settings) == models.load(spec, settings).info
        report = run(
            spec,
            ["textvqa_val"],
            "demo",
            protocol="qwen-vl",
            selection=Selection(1),
            settings=settings,
            out=tmp_path / family,
        )
        names[family] = report.outcomes[0].result.prompt_protocol
    assert names == {"llava": "qwen-vl+chat", "paligemma": "qwen-vl"}


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_an_answer_does_not_depend_on_its_batch(family: str, checkpoints: dict[str, Path]) -> None:
    """Padding that is attended to, or counted as positions, changes the answers of short prompts."""
    model = backend(checkpoints[family])
    together = ask(model, requests())
    alone = {request.id: ask(model, [request])[request.id] for request in requests()}
    assert len({answer.text for answer in alone.values()}) > 4, "the answers tell nothing apart"
    for name, answer in alone.items():
        other = together[name]
        assert (answer.text, answer.new_tokens) == (other.text, other.new_tokens)
        assert answer.choice_logprobs == pytest.approx(other.choice_logprobs, abs=1e-5)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_ranked_choices_are_those_of_one_forward_pass(family: str, checkpoints: dict[str, Path]) -> None:
    """Forcing tokens through generation must give what reading prompt and option at once gives."""
    model = backend(checkpoints[family])
    request = Request("1", (Image(PICTURES[0]), "Which?"), choices=(" red", " a blue one"))
    one = prompted(request, model._processor, load_image)
    wanted = []
    for choice in request.choices:
        ids = model._processor.tokenizer(choice, add_special_tokens=False)["input_ids"]
        whole = dict(one.sequence)
        whole["input_ids"] = torch.cat([whole["input_ids"], torch.tensor([ids])], dim=1)
        for name in whole:
            if name != "input_ids":
                later = 1 if name in ("attention_mask", "token_type_ids") else 0
                whole[name] = torch.cat([whole[name], torch.full((1, len(ids)), later)], dim=1)
        with torch.inference_mode():
            logits = model._model(**whole, **one.pictures).logits[0].double().log_softmax(-1)
        first = one.num_tokens - 1
        chosen = [float(logits[first + place, token]) for place, token in enumerate(ids)]
        wanted.append(sum(chosen) / len(chosen))
    assert ask(model, [request])["1"].choice_logprobs == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_control_tokens_in_a_question_stay_text(family: str, checkpoints: dict[str, Path]) -> None:
    """A question with <image> in it asked for a second picture, one with </s> ended the prompt."""
    model = backend(checkpoints[family])
    odd = "what does <image> <|image_pad|> </s> <|im_end|> mean?"
    special = set(model._processor.tokenizer.all_special_ids)

    def count(text: str) -> int:
        one = prompted(Request("1", (Image(PICTURES[0]), text)), model._processor, load_image)
        return sum(int(token) in special for token in one.sequence["input_ids"][0])

    assert count(odd) == count("plain")
    ask(model, [Request("1", (Image(PICTURES[0]), odd), max_new_tokens=2)])


def test_limits_and_stops(checkpoints: dict[str, Path]) -> None:
    """An answer that ends by itself says so and has no end token in it; a stop text cuts, a minimum holds."""
    model = backend(checkpoints["qwen2_vl"])
    [answer] = ask(model, [Request("1", (Image(PICTURES[0]), "x"), max_new_tokens=6)]).values()
    assert (answer.stop_reason, answer.new_tokens) == ("length", 6)
    one = prompted(Request("1", (Image(PICTURES[0]), "x")), model._processor, load_image)
    ids = model._generate([one], 0, 6).sequences[0, one.num_tokens :].tolist()
    model._eos = (next(token for token in ids if ids.index(token) > 0),)
    [ended] = ask(model, [Request("1", (Image(PICTURES[0]), "x"), max_new_tokens=6)]).values()
    assert ended.stop_reason == "stop"
    assert ended.new_tokens == ids.index(model._eos[0])
    [longer] = ask(
        model, [Request("1", (Image(PICTURES[0]), "x"), min_new_tokens=5, max_new_tokens=6)]
    ).values()
    assert longer.new_tokens is not None
    assert longer.new_tokens >= 5
    stop = answer.text[2]
    [cut] = ask(
        backend(checkpoints["qwen2_vl"]), [Request("1", (Image(PICTURES[0]), "x"), stop=(stop,))]
    ).values()
    assert cut.text == answer.text.partition(stop)[0]


def test_pixels_of_the_resized_picture(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Qwen2.5-VL's coordinates count the picture it saw: without that size no box can be placed."""
    path = tmp_path / "wide.png"
    Picture.new("RGB", (300, 150)).save(path)
    model = backend(checkpoints["qwen2_5_vl"])
    assert model.info.box_scale == "resized"
    [answer] = ask(model, [Request("1", (Image(str(path)), "x"), max_new_tokens=1)]).values()
    width, height = answer.image_size or (0, 0)
    assert (width % 28, height % 28) == (0, 0)
    assert width > height > 0
    named = ["run", "--task", "refcoco_val", "--limit", "3", "--model", f"hf:{checkpoints['qwen2_5_vl']}"]
    assert main([*named, "--data", "demo", "--out", str(tmp_path / "out")]) == 0
    [line] = {
        json.dumps(json.loads(line)["image_size"])
        for path in (tmp_path / "out" / "refcoco_val").glob("predictions.*")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    assert min(json.loads(line)) > 0


def test_a_unit_that_is_not_known_is_asked_for(
    checkpoints: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """LLaVA's boxes were read in Qwen-VL's unit, and the number looked like any other."""
    base = ["run", "--model", f"hf:{checkpoints['llava']}", "--data", "demo", "--out", str(tmp_path / "out")]
    assert main([*base, "--task", "refcoco_val", "--limit", "1"]) == 2
    assert "--box-scale 999|1000|fraction" in capsys.readouterr().err


def test_an_unreadable_picture_is_one_sample_s_error(checkpoints: dict[str, Path]) -> None:
    """One broken file must not take its batch along."""
    good, bad = requests()[0], Request("bad", (Image("/nowhere.png"), "x"))
    answers = {answer.id: answer for answer in backend(checkpoints["llava"]).generate([bad, good])}
    assert "no such image file" in (answers["bad"].error or "")
    assert answers[good.id].error is None


def test_a_batch_too_large_for_memory_is_halved(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running out of memory with 16 prompts is no reason to lose the 15 that fit."""
    model = backend(checkpoints["llava"])
    whole = ask(model, requests()[:6])
    plain = model._generate

    def small(prompts: list[object], *rest: object) -> object:
        if len(prompts) > 1:
            raise torch.OutOfMemoryError("too much")
        return plain(prompts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "_generate", small)
    assert ask(model, requests()[:6]) == whole


def test_a_budget_of_tokens_cuts_batches(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that is not kept is found on the GPU, out of memory."""
    model = backend(checkpoints["llava"], batch_tokens=150)
    sizes: list[int] = []
    plain = model._generate

    def watched(prompts: list[object], *rest: object) -> object:
        sizes.append(len(prompts))
        return plain(prompts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "_generate", watched)
    ask(model, [request for request in requests() if request.id.startswith("text")])
    assert sum(sizes) == 6
    assert 1 < len(sizes) <= 6


def refused(folder: Path, **settings: object) -> str:
    """The line that refuses a checkpoint."""
    with pytest.raises(UserError) as error:
        backend(folder, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_checkpoints_that_are_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Code of a checkpoint is never run, and weights that are not there are never drawn at random."""
    config = json.loads((checkpoints["llava"] / "config.json").read_text(encoding="utf-8"))
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config"}}
    for name, changed in {"own": config | own, "unknown": {"model_type": "bert"}}.items():
        shutil.copytree(checkpoints["llava"], tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    (tmp_path / "own" / "code.py").write_text("raise SystemExit('run')", encoding="utf-8")
    assert "never run" in refused(tmp_path / "own")
    assert "does not know as a model of pictures and text" in refused(tmp_path / "unknown")
    short = shutil.copytree(checkpoints["llava"], tmp_path / "short")
    tensors = load_file(short / "model.safetensors")
    tensors.pop(next(name for name in tensors if "q_proj" in name))
    save_file(tensors, short / "model.safetensors", {"format": "pt"})
    assert "1 weights do not fit config.json (missing_keys" in refused(short)
    pickled = shutil.copytree(checkpoints["llava"], tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert "cannot be loaded" in refused(pickled)
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "expected a folder with adapter_config.json" in refused(
        checkpoints["llava"], adapter=str(tmp_path)
    )


def test_an_adapter_changes_answers_and_name(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Answers of base and adapter stood in one folder: name and fingerprint must differ."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    base = AutoModelForImageTextToText.from_pretrained(checkpoints["llava"])
    lora = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    lora.save_pretrained(tmp_path / "lora")
    plain, adapted = (
        backend(checkpoints["llava"]),
        backend(checkpoints["llava"], adapter=str(tmp_path / "lora")),
    )
    assert adapted.info.name == "llava+lora"
    assert adapted.info.fingerprint != plain.info.fingerprint
    texts = [{answer.text for answer in ask(model, requests()).values()} for model in (plain, adapted)]
    assert texts[0] != texts[1]


def test_a_setting_that_is_not_taken_is_refused() -> None:
    """--adapter on the native model was ignored, and its number taken for the adapter's."""
    with pytest.raises(UserError, match="--adapter is not for --model demo"):
        models.load("demo", Settings(adapter="x"))
