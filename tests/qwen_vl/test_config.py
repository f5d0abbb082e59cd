"""config.json: the official file is read unchanged, and what the model cannot do is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_vl.config import QwenVLConfig
from qwen_vl.errors import CheckpointError


@pytest.fixture
def values(tiny_config: QwenVLConfig) -> dict[str, Any]:
    return tiny_config.to_dict()


def test_official_sizes(reference: Path) -> None:
    """A default that shadows a field of the file would go unnoticed on the tiny configs."""
    config = QwenVLConfig.from_file(reference / "official_config.json")
    visual = config.visual
    assert (config.hidden_size, config.num_hidden_layers, config.projection_size) == (4096, 32, 4096)
    assert (config.mlp_width, config.seq_length, config.vocab_size) == (11008, 2048, 151936)
    assert (visual.grid, visual.mlp_width, visual.resampler_heads, visual.n_queries) == (32, 8192, 32, 256)
    assert not config.demo


def test_round_trip(values: dict[str, Any], tiny_config: QwenVLConfig) -> None:
    """A saved checkpoint must load as the same model, n_queries included."""
    assert QwenVLConfig.from_dict(json.loads(json.dumps(values))) == tiny_config


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("vocab_size", "480", "a whole number above 0"),
        ("vocab_size", True, "a whole number above 0"),
        ("seq_length", 1, "at least 2"),
        ("hidden_size", 130, "a multiple of num_attention_heads (4)"),
        ("kv_channels", 7, "an even number"),
        ("intermediate_size", 129, "an even number"),
        ("layer_norm_epsilon", None, "a number above 0"),
        ("layer_norm_epsilon", float("nan"), "a number above 0"),
        ("no_bias", 1, "true or false"),
        ("tie_word_embeddings", True, "false"),
        ("rotary_pct", 0.5, "1.0"),
        ("scale_attn_weights", False, "true"),
        ("visual.output_dim", 256, "hidden_size (128)"),
        ("visual.image_size", 30, "a multiple of visual.patch_size (14)"),
        ("visual.width", 33, "a multiple of visual.heads (2)"),
        ("visual.n_queries", 10, "a square number"),
        ("visual.n_queries", -4, "a whole number above 0"),
        ("visual.image_start_id", 478, "at most vocab_size - 3 (477)"),
    ],
)
def test_refused(values: dict[str, Any], field: str, value: Any, allowed: str) -> None:
    """A value that the model does not implement must not give numbers of another model."""
    group, name = (values["visual"], field[7:]) if field.startswith("visual.") else (values, field)
    group[name] = value
    with pytest.raises(CheckpointError) as caught:
        QwenVLConfig.from_dict(values, source="config.json")
    message = str(caught.value)
    assert message.startswith(f"config.json: field {field} is {value!r}; must be ")
    assert allowed in message


def test_output_dim_must_hold_whole_resampler_heads(values: dict[str, Any]) -> None:
    """output_dim // 128 heads of another width than 128 would be a silent change of the scale."""
    values["hidden_size"] = values["visual"]["output_dim"] = 192
    with pytest.raises(CheckpointError, match=r"visual\.output_dim is 192; must be a multiple of 128"):
        QwenVLConfig.from_dict(values)


@pytest.mark.parametrize("field", ["rotary_emb_base", "visual", "visual.heads"])
def test_missing_field(values: dict[str, Any], field: str) -> None:
    """A KeyError would not say which file to look at."""
    group, name = (values["visual"], field[7:]) if "." in field else (values, field)
    del group[name]
    with pytest.raises(CheckpointError) as caught:
        QwenVLConfig.from_dict(values)
    assert str(caught.value) == f"config: field {field} is missing"


@pytest.mark.parametrize("text", ["{", "[1]", '{"visual": 3}', "\xff"])
def test_broken_file(tmp_path: Path, text: str) -> None:
    """A truncated download is the user's to mend: one line with the file's name."""
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError) as caught:
        QwenVLConfig.from_file(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_absent_file(tmp_path: Path) -> None:
    """The commonest mistake: a folder that is no checkpoint."""
    with pytest.raises(CheckpointError, match=r"config\.json: cannot be read"):
        QwenVLConfig.from_file(tmp_path / "config.json")
