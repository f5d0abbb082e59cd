"""Weight files: complete, equal whatever their form, never executed; and the fingerprint of a checkpoint."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.errors import CheckpointError
from qwen_vl.fingerprint import fingerprint
from qwen_vl.model import QwenVL, empty_model, random_model
from qwen_vl.weights import load_weights

State = dict[str, Tensor]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state(tiny_config: QwenVLConfig) -> State:
    return dict(random_model(tiny_config, seed=1).state_dict())


@pytest.fixture
def load(tiny_config: QwenVLConfig, tmp_path: Path) -> Callable[..., QwenVL]:
    def loader(dtype: torch.dtype = torch.float32) -> QwenVL:
        return load_weights(empty_model(tiny_config), tmp_path, CPU, dtype)

    return loader


def write_shards(folder: Path, state: State, suffix: str, n_shards: int = 3) -> Path:
    """Shards with an index, as the hub has them; returns the index."""
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    place = {name: f"{stem}-{i % n_shards:05}.{suffix}" for i, name in enumerate(state)}
    for file in set(place.values()):
        part = {name: state[name] for name in state if place[name] == file}
        if suffix == "safetensors":
            save_file(part, folder / file)
        else:
            torch.save(part, folder / file)
    index = folder / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": place}))
    return index


def write(folder: Path, state: State, form: str) -> None:
    if form == "safetensors":
        save_file(state, folder / "model.safetensors")
    elif form == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        write_shards(folder, state, form.removeprefix("sharded "))


@pytest.mark.parametrize("form", ["safetensors", "bin", "sharded safetensors", "sharded bin"])
def test_every_form_gives_the_same_model(
    tmp_path: Path, state: State, load: Callable[..., QwenVL], form: str
) -> None:
    """The official weights are sharded .bin files, newer ones safetensors."""
    write(tmp_path, state, form)
    loaded = load().state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert all(tensor.dtype == torch.float16 for tensor in load(torch.float16).state_dict().values())


def test_the_model_does_not_hang_on_its_file(
    tmp_path: Path, state: State, load: Callable[..., QwenVL]
) -> None:
    """Mapped weights change, or crash the process, when their file is written again."""
    write(tmp_path, state, "safetensors")
    model = load()
    file = tmp_path / "model.safetensors"
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        stream.write(b"\xff" * (file.stat().st_size // 2))
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state)


def changed(state: State, change: str) -> State:
    state = dict(state)
    if change == "missing":
        del state["lm_head.weight"]
    elif change == "unexpected":
        state["lm_head.bias"] = torch.zeros(480)
    elif change == "shape":
        state["lm_head.weight"] = torch.zeros(128, 480)
    elif change == "transposed":
        state = {
            name: tensor.T.contiguous() if tensor.ndim == 2 else tensor for name, tensor in state.items()
        }
    elif change == "integer":
        state["lm_head.weight"] = torch.zeros(480, 128, dtype=torch.int8)
    return state


@pytest.mark.parametrize("form", ["safetensors", "sharded bin"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("missing", "1 missing (lm_head.weight)"),
        ("unexpected", "1 unexpected (lm_head.bias)"),
        ("shape", "1 of wrong shape (lm_head.weight (128, 480) instead of (480, 128))"),
        ("transposed", ", ...)"),
        ("integer", "lm_head.weight holds torch.int8"),
    ],
)
def test_not_exactly_the_model(
    tmp_path: Path, state: State, load: Callable[..., QwenVL], form: str, change: str, told: str
) -> None:
    """A tensor left at random, or ignored, gives numbers that look like a weak model's."""
    write(tmp_path, changed(state, change), form)
    with pytest.raises(CheckpointError) as caught:
        load()
    assert told in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_stored_twice(tmp_path: Path, state: State, load: Callable[..., QwenVL]) -> None:
    """Two shards with the same tensor: which one counts would be chance."""
    index = write_shards(tmp_path, state, "bin")
    first = json.loads(index.read_text())["weight_map"]
    file = tmp_path / first["lm_head.weight"]
    other = next(name for name in first.values() if name != file.name)
    part = torch.load(tmp_path / other, weights_only=True)
    torch.save(part | {"lm_head.weight": state["lm_head.weight"]}, tmp_path / other)
    with pytest.raises(CheckpointError, match=r"1 stored twice \(lm_head\.weight\)"):
        load()


@pytest.mark.parametrize("form", ["sharded safetensors", "sharded bin"])
def test_missing_shard(tmp_path: Path, state: State, load: Callable[..., QwenVL], form: str) -> None:
    """An interrupted download: name the file, before hours are spent on the others."""
    write(tmp_path, state, form)
    shard = sorted(tmp_path.glob("*model-*"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"1 of 3 shards are missing: {shard.name}"):
        load()


@pytest.mark.parametrize("form", ["safetensors", "bin", "sharded safetensors", "sharded bin"])
@pytest.mark.parametrize("damage", ["empty", "cut", "garbage"])
def test_corrupt_file(
    tmp_path: Path, state: State, load: Callable[..., QwenVL], form: str, damage: str
) -> None:
    """Half a download opens well in some readers and fails in the middle, with errors of many kinds."""
    write(tmp_path, state, form)
    file = max(tmp_path.glob("*model*"), key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "garbage": b"x" * 5000}[damage])
    with pytest.raises(CheckpointError) as caught:
        load()
    assert str(caught.value).startswith(f"{file}: cannot be read as weights")
    assert "\n" not in str(caught.value)


class Malicious:
    """Unpickling this writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("wrap", [True, False])
def test_nothing_is_executed(tmp_path: Path, state: State, load: Callable[..., QwenVL], wrap: bool) -> None:
    """A .bin is a pickle, and a pickle is a program."""
    target, file = tmp_path / "executed", tmp_path / "pytorch_model.bin"
    if wrap:
        torch.save({**state, "lm_head.weight": Malicious(target)}, file)
    else:
        file.write_bytes(pickle.dumps(Malicious(target)))
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        load()
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"weight_map": []}',
        '{"weight_map": {}}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": {"a": "../other/model.bin"}}',
        '{"weight_map": {"a": "/etc/passwd"}}',
        '{"weight_map": {"a": ".."}}',
    ],
)
def test_bad_index(tmp_path: Path, load: Callable[..., QwenVL], content: str) -> None:
    """An index must not reach out of its folder, and a broken one is the user's to mend."""
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(content)
    with pytest.raises(CheckpointError) as caught:
        load()
    assert str(caught.value).startswith(str(index))


def test_no_weights(tmp_path: Path, load: Callable[..., QwenVL]) -> None:
    """A clone of a hub repository without its large files."""
    with pytest.raises(CheckpointError, match="no weight file; one of these is needed: "):
        load()


def test_not_a_dictionary_of_tensors(tmp_path: Path, load: Callable[..., QwenVL]) -> None:
    """A training checkpoint often nests the weights under a key."""
    torch.save({"model": {}}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="must hold a dictionary of tensors"):
        load()


@pytest.mark.parametrize("form", ["safetensors", "sharded bin"])
def test_fingerprint(tmp_path: Path, state: State, form: str) -> None:
    """Answers are reused only for an equal checkpoint: one value in the middle must make another, a copy must
    not.
    """
    original, copy, tuned = (tmp_path / name for name in ("original", "copy", "tuned"))
    original.mkdir()
    write(original, state, form)
    (original / "config.json").write_text("{}")
    (original / "qwen.tiktoken").write_text("IQ== 0")
    shutil.copytree(original, copy)
    assert fingerprint(original) == fingerprint(copy)
    (copy / "README.md").write_text("notes do not count")
    assert fingerprint(original) == fingerprint(copy)

    shutil.copytree(original, tuned)
    other = {name: tensor.clone() for name, tensor in state.items()}
    other["transformer.h.1.mlp.w1.weight"][3, 5] += 1
    write(tuned, other, form)
    prints = {fingerprint(original), fingerprint(tuned)}
    for name in ("config.json", "qwen.tiktoken"):
        (copy / name).write_text(name)
        prints.add(fingerprint(copy))
    assert len(prints) == 4
    assert all(len(digits) == 16 for digits in prints)


def test_fingerprint_of_large_files(tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files are sampled; a fine-tune that moves every matrix must still be told from its base."""
    monkeypatch.setattr("qwen_vl.fingerprint.WHOLE_FILE_BYTES", 10_000)
    monkeypatch.setattr("qwen_vl.fingerprint.WHOLE_TENSOR_BYTES", 10_000)
    for form in ("safetensors", "bin"):
        folder = tmp_path / form
        folder.mkdir()
        changes = [
            dict[str, Tensor](),
            {name: tensor + 1e-3 for name, tensor in state.items()},
            {"transformer.h.0.attn.c_attn.bias": state["transformer.h.0.attn.c_attn.bias"] + 1e-3},
            {"transformer.ln_f.weight": state["transformer.ln_f.weight"] * 1.01},
        ]
        found = set()
        for change in changes:
            write(folder, state | change, form)
            found.add(fingerprint(folder))
        assert len(found) == len(changes), form
