"""The sizes of a Qwen-VL model, read from the official `config.json` unchanged.

Only what the mathematics needs is kept; every other key of the file is ignored. Two keys are ours and
optional: `visual.n_queries` (the published code fixes it at 256 in a constructor default) and `demo` (true in
the bundled untrained checkpoint, so that no number made with it can pass for a real one).

Deviation: the published code computes with `kv_channels * num_attention_heads` columns but splits by
`hidden_size`, so it runs only where the two are equal. Here the projection may be wider or narrower than the
hidden size.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qwen_vl.errors import CheckpointError

RESAMPLER_HEAD_DIM = 128  # the resampler has output_dim // 128 heads, in every published size


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Sizes of the vision tower and of its resampler (`visual` in config.json)."""

    image_size: int  # pixels; every image is resized to image_size x image_size
    patch_size: int
    width: int
    layers: int
    heads: int
    mlp_ratio: float
    output_dim: int
    image_start_id: int  # the id of <img>; </img> and <imgpad> follow it
    n_queries: int = 256  # rows of the sequence one image takes; a square number

    @property
    def grid(self) -> int:
        """Patches along one side of the image."""
        return self.image_size // self.patch_size

    @property
    def mlp_width(self) -> int:
        """Inner width of the tower's MLP: 8192 for the published 1664 * 4.9231."""
        return int(self.width * self.mlp_ratio)

    @property
    def resampler_heads(self) -> int:
        """Attention heads of the resampler."""
        return self.output_dim // RESAMPLER_HEAD_DIM


@dataclass(frozen=True, slots=True)
class QwenVLConfig:
    """Sizes of the whole model."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    kv_channels: int  # width of one attention head
    intermediate_size: int  # twice the inner width of the MLP
    layer_norm_epsilon: float
    rotary_emb_base: float
    seq_length: int  # the length of training; longer input is stretched (rope.py)
    no_bias: bool
    use_dynamic_ntk: bool
    use_logn_attn: bool
    visual: VisionConfig
    demo: bool = False

    @property
    def projection_size(self) -> int:
        """Width of all heads together."""
        return self.kv_channels * self.num_attention_heads

    @property
    def mlp_width(self) -> int:
        """Inner width of the decoder's MLP."""
        return self.intermediate_size // 2

    @classmethod
    def from_file(cls, path: str | Path) -> "QwenVLConfig":
        """Read config.json; CheckpointError names the file, the field and what is allowed."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
        except (ValueError, RecursionError) as error:  # broken JSON, or not UTF-8
            raise CheckpointError(f"{path}: not valid JSON ({error})") from error
        return cls.from_dict(values, source=str(path))

    @classmethod
    def from_dict(cls, values: Any, source: str = "config") -> "QwenVLConfig":
        """Check and keep the values of a config.json; `source` is how errors name it."""
        top = _Fields(values, source)
        eye = _Fields(top.value("visual"), source, "visual.")
        config = cls(
            vocab_size=top.positive_int("vocab_size"),
            hidden_size=top.positive_int("hidden_size"),
            num_hidden_layers=top.positive_int("num_hidden_layers"),
            num_attention_heads=top.positive_int("num_attention_heads"),
            kv_channels=top.positive_int("kv_channels"),
            intermediate_size=top.positive_int("intermediate_size"),
            layer_norm_epsilon=top.positive_float("layer_norm_epsilon"),
            rotary_emb_base=top.positive_float("rotary_emb_base"),
            seq_length=top.positive_int("seq_length"),
            no_bias=top.boolean("no_bias"),
            use_dynamic_ntk=top.boolean("use_dynamic_ntk"),
            use_logn_attn=top.boolean("use_logn_attn"),
            demo=top.boolean("demo", default=False),
            visual=VisionConfig(
                image_size=eye.positive_int("image_size"),
                patch_size=eye.positive_int("patch_size"),
                width=eye.positive_int("width"),
                layers=eye.positive_int("layers"),
                heads=eye.positive_int("heads"),
                mlp_ratio=eye.positive_float("mlp_ratio"),
                output_dim=eye.positive_int("output_dim"),
                image_start_id=eye.positive_int("image_start_id"),
                n_queries=eye.positive_int("n_queries", default=256),
            ),
        )
        _check(config, top, eye)
        return config

    def to_dict(self) -> dict[str, Any]:
        """The config.json of this model, with the keys by which other programs know a Qwen-VL."""
        fixed = {"architectures": ["QWenLMHeadModel"], "model_type": "qwen", "tie_word_embeddings": False}
        fixed |= {"rotary_pct": 1.0, "scale_attn_weights": True, "tokenizer_type": "QWenTokenizer"}
        return fixed | asdict(self)


def _check(config: QwenVLConfig, top: "_Fields", eye: "_Fields") -> None:
    visual = config.visual
    top.only("tie_word_embeddings", (False,))
    top.only("rotary_pct", (1.0,))
    top.only("scale_attn_weights", (True,))
    heads = config.num_attention_heads
    top.require(
        config.hidden_size % heads == 0, "hidden_size", f"a multiple of num_attention_heads ({heads})"
    )
    even = config.kv_channels % 2 == 0 and config.kv_channels > 2
    top.require(even, "kv_channels", "an even number above 2")
    top.require(config.intermediate_size % 2 == 0, "intermediate_size", "an even number")
    top.require(config.seq_length > 1, "seq_length", "at least 2")
    eye.require(visual.output_dim == config.hidden_size, "output_dim", f"hidden_size ({config.hidden_size})")
    multiple = f"a multiple of {RESAMPLER_HEAD_DIM}"
    eye.require(visual.output_dim % RESAMPLER_HEAD_DIM == 0, "output_dim", multiple)
    eye.require(visual.width % visual.heads == 0, "width", f"a multiple of visual.heads ({visual.heads})")
    patch = visual.patch_size
    eye.require(visual.image_size % patch == 0, "image_size", f"a multiple of visual.patch_size ({patch})")
    eye.require(math.isqrt(visual.n_queries) ** 2 == visual.n_queries, "n_queries", "a square number")
    last = config.vocab_size - 3
    eye.require(visual.image_start_id <= last, "image_start_id", f"at most vocab_size - 3 ({last})")


class _Fields:
    """One JSON object and the name by which errors know it."""

    def __init__(self, values: Any, source: str, prefix: str = "") -> None:
        self.source, self.prefix = source, prefix
        if not isinstance(values, Mapping):
            place = prefix.rstrip(".") or "the file"
            raise CheckpointError(f"{source}: {place} must hold a JSON object, not {values!r:.60}")
        self.values = values

    def value(self, name: str) -> Any:
        if name not in self.values:
            raise CheckpointError(f"{self.source}: field {self.prefix}{name} is missing")
        return self.values[name]

    def require(self, holds: bool, name: str, allowed: str) -> None:
        if not holds:
            found = repr(self.values.get(name))[:60]
            raise CheckpointError(f"{self.source}: field {self.prefix}{name} is {found}; must be {allowed}")

    def only(self, name: str, allowed: tuple[Any, ...]) -> None:
        """A switch of the published code that the file may leave out but not turn."""
        value = self.values.get(name, allowed[0])
        self.require(value in allowed, name, " or ".join(json.dumps(choice) for choice in allowed))

    def positive_int(self, name: str, default: int | None = None) -> int:
        value = self.value(name) if default is None else self.values.get(name, default)
        self.require(type(value) is int and value > 0, name, "a whole number above 0")
        return int(value)

    def positive_float(self, name: str) -> float:
        value = self.value(name)
        number = type(value) in (int, float) and math.isfinite(value) and value > 0
        self.require(number, name, "a number above 0")
        return float(value)

    def boolean(self, name: str, default: bool | None = None) -> bool:
        value = self.value(name) if default is None else self.values.get(name, default)
        self.require(type(value) is bool, name, "true or false")
        return bool(value)
