"""Folders and hub ids to models: the bundled demo loads and answers, and whatever is wrong is told in one
line.
"""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from qwen_vl.checkpoint import DEMO_FOLDER, find_checkpoint, find_vocabulary, load, save_checkpoint
from qwen_vl.config import QwenVLConfig
from qwen_vl.demo.make import make
from qwen_vl.errors import CheckpointError
from qwen_vl.fingerprint import fingerprint
from qwen_vl.generate import generate
from qwen_vl.image import preprocess
from qwen_vl.prompt import ImagePart, build_prompt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo checkpoint to spoil."""
    return Path(shutil.copytree(DEMO_FOLDER, tmp_path / "checkpoint"))


def test_demo_answers() -> None:
    """The newcomer's first run: loads on a laptop, says something printable, and other things of other
    images.
    """
    loaded = load(DEMO_FOLDER, device="cpu")
    assert loaded.config.demo
    assert (loaded.chat_format, loaded.model.dtype) == ("raw", torch.float32)
    prompts = [
        build_prompt(
            loaded.tokenizer,
            [
                ImagePart(preprocess(Image.new("RGB", (40, 30), colour), loaded.config.visual.image_size)),
                "Describe the image in English:",
            ],
        )
        for colour in ("red", "blue", "white")
    ]
    stops = [loaded.tokenizer.eod_id]
    answers = generate(loaded.model, prompts, min_new_tokens=8, max_new_tokens=30, stop_ids=stops)
    texts = [loaded.tokenizer.decode_answer(answer.ids) for answer in answers]
    assert all(text.isprintable() and len(set(text)) > 5 for text in texts)
    assert len(set(texts)) == 3


def test_demo_is_what_its_script_makes(tmp_path: Path) -> None:
    """A bundled file that nobody can make again is a secret: training starts from these very sizes."""
    make(tmp_path)
    for name in ("config.json", "qwen.tiktoken", "generation_config.json"):
        assert (tmp_path / name).read_bytes() == (DEMO_FOLDER / name).read_bytes()
    assert sum(path.stat().st_size for path in DEMO_FOLDER.iterdir() if path.is_file()) < 8_000_000


def test_demo_vocabulary_is_compact() -> None:
    """Answers are limited by tokens, so the demo's words must be short; digits stay single as in the official
    one.
    """
    tokenizer = load(DEMO_FOLDER, device="cpu").tokenizer
    assert len(tokenizer.encode_text("Describe the image in English:")) <= 8
    assert len(tokenizer.encode_text("the small red square on the left")) <= 8
    assert len(tokenizer.encode_text(" 1234")) == 5


def test_saved_checkpoint_loads_again(tmp_path: Path) -> None:
    """What is saved must be found under the official names, in the dtype asked for, with no scraps left."""
    loaded = load(DEMO_FOLDER, device="cpu")
    for _ in range(2):  # over itself, too
        save_checkpoint(
            loaded.model, find_vocabulary(DEMO_FOLDER), tmp_path / "new", torch.bfloat16, "chatml"
        )
    again = load(tmp_path / "new", device="cpu")
    assert again.chat_format == "chatml"
    assert again.config == loaded.config
    state = again.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.model.state_dict().items())
    names = {"config.json", "generation_config.json", "model.safetensors", "qwen.tiktoken"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == names
    assert fingerprint(tmp_path / "new") != fingerprint(DEMO_FOLDER)


def test_offline_hub_id() -> None:
    """On a machine without a connection the user must learn in one line that neither way worked."""
    program = (
        "from qwen_vl.checkpoint import find_checkpoint\n"
        "from qwen_vl.errors import CheckpointError\n"
        "try: find_checkpoint('Nobody/no-such-model')\n"
        "except CheckpointError as error: print(error)\n"
    )
    environment = {"HF_HUB_OFFLINE": "1", "PATH": "", "HF_HOME": "/nonexistent"}
    run = [sys.executable, "-c", program]
    output = subprocess.run(run, capture_output=True, text=True, env=environment, check=True).stdout
    assert output.startswith(
        "Nobody/no-such-model: is no folder here and could not be fetched from the hub ("
    )
    assert output.endswith("download its files on a machine with a connection and pass the folder\n")
    assert output.count("\n") == 1


def test_a_silent_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a firewall that drops what it does not let through, a hub id was looked up for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("qwen_vl.checkpoint.HUB_SECONDS", 0.05)
        with pytest.raises(CheckpointError, match=r"could not be fetched from the hub \(timed out\)"):
            find_checkpoint("Nobody/no-such-model")


@pytest.mark.parametrize("name", ["no-such-folder", "/no/such/folder", "./a/b", "a/b/c", "../no-such"])
def test_no_such_folder(name: str) -> None:
    """A mistyped path must not be asked of the hub."""
    with pytest.raises(CheckpointError, match="no such folder, and not a hub id"):
        find_checkpoint(name)


def test_file_instead_of_folder() -> None:
    """Passing the weight file itself is a common slip."""
    with pytest.raises(CheckpointError, match="is a file; pass the folder"):
        find_checkpoint(DEMO_FOLDER / "config.json")


def test_vocabulary_of_another_model(folder: Path) -> None:
    """Ids shifted by one still embed, and every answer is noise."""
    path = folder / "qwen.tiktoken"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(CheckpointError, match=r"config\.json says <img> is 854, the vocabulary says 853"):
        load(folder)


def test_which_vocabulary(folder: Path) -> None:
    """Another name is fine if there is one candidate only."""
    (folder / "qwen.tiktoken").rename(folder / "other.tiktoken")
    assert find_vocabulary(folder).name == "other.tiktoken"
    shutil.copy(folder / "other.tiktoken", folder / "third.tiktoken")
    with pytest.raises(CheckpointError, match="exactly one"):
        find_vocabulary(folder)


def test_chat_format(folder: Path, reference: Path) -> None:
    """Base and chat model differ in this field alone; a wrong guess asks the model in the wrong form."""
    path = folder / "generation_config.json"
    for kind, expected in {"chat": "chatml", "base": "raw"}.items():
        shutil.copy(reference / f"generation_config.{kind}.json", path)
        assert load(folder).chat_format == expected


@pytest.mark.parametrize("content", ['{"chat_format": "llama"}', '{"chat_format": ["raw"]}', "[]", "{"])
def test_bad_chat_format(folder: Path, content: str) -> None:
    """An unknown format must not fall back to the base model's."""
    path = folder / "generation_config.json"
    path.write_text(content)
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert str(caught.value).startswith(f"{path}: ")
    path.unlink()
    assert load(folder).chat_format == "raw"


def test_config_of_another_model(folder: Path) -> None:
    """Weights that do not fit are named, not reshaped."""
    path = folder / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"num_hidden_layers": 5}))
    with pytest.raises(CheckpointError, match=r"8 missing \(transformer.h.4.ln_1.weight, "):
        load(folder)


@pytest.mark.parametrize(("device", "dtype"), [("tpu9", "auto"), ("cpu", "float8"), ("cpu", "torch.float32")])
def test_bad_device_or_dtype(device: str, dtype: str) -> None:
    """A typing slip on the command line is not worth a traceback."""
    with pytest.raises(CheckpointError, match="not one of auto"):
        load(DEMO_FOLDER, device=device, dtype=dtype)


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command on a machine without a GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(CheckpointError, match="torch sees 0 GPUs here"):
        load(DEMO_FOLDER, device="cuda:0")


def test_importing_the_package_is_cheap() -> None:
    """`--help` and the scoring of stored answers must not wait for torch."""
    program = (
        "import sys, qwen_vl.errors, qwen_vl.config; print({'torch', 'tiktoken', 'PIL'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert output == "set()\n"


def test_official_config_is_not_demo(reference: Path) -> None:
    """Numbers of a real checkpoint must not be marked as demo."""
    assert not QwenVLConfig.from_file(reference / "official_config.json").demo
