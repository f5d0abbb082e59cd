"""Checkpoints of transformers: what is read of them, and those that are refused."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from eval_mm import models
from eval_mm.cli import main
from eval_mm.data import Selection
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.models.hf import HFBackend
from eval_mm.run import run
from tests.eval_mm.hf.support import ask, backend, refused, requests


def test_a_chat_template_beside_the_tokenizer(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Checkpoints that keep it in tokenizer_config.json could not be asked at all."""
    folder = shutil.copytree(checkpoints["llava"], tmp_path / "llava")
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").unlink()
    path = folder / "tokenizer_config.json"
    fields = json.loads(path.read_text(encoding="utf-8")) | {"chat_template": template}
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert ask(backend(folder), requests()) == ask(backend(checkpoints["llava"]), requests())


def test_other_dtypes_and_devices(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 met float32 pictures; a model spread by accelerate, or by each of several processes."""
    for family in ("qwen2_vl", "llava", "paligemma"):
        half = models.load(f"hf:{checkpoints[family]}", Settings("cpu", "bfloat16"))
        assert isinstance(half, HFBackend)
        ask(half, requests())
    plain = backend(checkpoints["llava"])
    spread = backend(checkpoints["llava"], device_map="auto")
    assert spread.info.compute == "auto, float32"
    assert ask(spread, requests()) == ask(plain, requests())
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "torchrun gives each process one" in refused(checkpoints["llava"], device_map="auto")


def test_checkpoints_that_are_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Code of a checkpoint is never run, and weights that are not there are never drawn at random."""
    config = json.loads((checkpoints["llava"] / "config.json").read_text(encoding="utf-8"))
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config"}}
    kinds = {
        "unknown": {"model_type": "bert"},
        "apart": {"model_type": "florence2"},
        "native": {"model_type": "qwen"},
    }
    for name, changed in {"own": config | own, **kinds}.items():
        shutil.copytree(checkpoints["llava"], tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    (tmp_path / "own" / "code.py").write_text("raise SystemExit('run')", encoding="utf-8")
    assert "never run" in refused(tmp_path / "own")
    assert "does not know as a model of pictures and text" in refused(tmp_path / "unknown")
    assert "florence2 write with a decoder of their own" in refused(tmp_path / "apart")
    assert f"needs no hf: (--model {tmp_path / 'native'})" in refused(tmp_path / "native")
    blind = shutil.copytree(checkpoints["llava"], tmp_path / "blind")
    for name in ("processor_config.json", "preprocessor_config.json", "chat_template.jinja"):
        (blind / name).unlink(missing_ok=True)
    assert "cannot be loaded" in refused(blind)
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
    """Answers of base and adapter stood in one folder: name and fingerprint must differ. An adapter whose
    weights have other names than the model's was loaded as none, and the base's number taken for its own.
    """
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
    weights = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    renamed = {name.replace("language_model.", ""): tensor for name, tensor in weights.items()}
    save_file(renamed, tmp_path / "lora" / "adapter_model.safetensors", {"format": "pt"})
    assert "missing adapter keys" in refused(checkpoints["llava"], adapter=str(tmp_path / "lora"))


def test_a_setting_that_is_not_taken_is_refused() -> None:
    """--adapter on the native model was ignored, and its number taken for the adapter's."""
    with pytest.raises(UserError, match="--adapter is not for --model demo"):
        models.load("demo", Settings(adapter="x"))


def test_a_unit_that_is_not_known_is_asked_for(
    checkpoints: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """LLaVA's boxes were read in Qwen-VL's unit, and the number looked like any other."""
    base = ["run", "--model", f"hf:{checkpoints['llava']}", "--data", "demo", "--out", str(tmp_path / "out")]
    assert main([*base, "--task", "refcoco_val", "--limit", "1"]) == 2
    assert "--box-scale 999|1000|fraction" in capsys.readouterr().err


def test_an_answer_ends_where_tokenizer_or_configuration_says(checkpoints: dict[str, Path]) -> None:
    """Chat models whose generation_config.json knows the end of a text alone talked on behind their turn."""
    model = backend(checkpoints["qwen2_vl"])
    tokenizer = model._processor.tokenizer
    ends = {tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id}
    assert len(ends) == 2
    assert set(model._eos) == ends


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
