"""The whole model: `transformer` (word embeddings, vision tower, decoder blocks) and `lm_head`.

Module names equal the names of the published checkpoint (853 tensors at the official size). An image is a run
of rows:

    ids   ... <img> pad pad ... pad </img> ...       n_queries rows between the tags
    rows  ... emb   f_0 f_1 ... f_n emb    ...       their embeddings are overwritten by the image's features

Deviations from the published `modeling_qwen.py` (https://huggingface.co/Qwen/Qwen-VL): the model takes pixels
or features, never file names hidden in the ids, so paths have no length limit in the model; a stray </img> is
an ordinary token; more than one new token on top of a cache works.

Shapes: X leading shape of rows ((B, T), or (T,) packed), C hidden_size, V vocab_size, N images, S image_size,
Q n_queries.
"""

import torch
from torch import Tensor, nn

from qwen_vl.attention import Attend
from qwen_vl.config import QwenVLConfig
from qwen_vl.resampler import sincos_positions
from qwen_vl.rope import Rotation, inverse_frequencies, ntk_alpha, rotation
from qwen_vl.text import Block, RMSNorm
from qwen_vl.vision import VisionTower


class Transformer(nn.Module):
    """Everything but the output layer; a container that gives the checkpoint's names."""

    def __init__(self, config: QwenVLConfig) -> None:
        super().__init__()
        # From a tensor: the usual constructor draws normal numbers, which on the meta device costs a second.
        self.wte = nn.Embedding.from_pretrained(torch.empty(config.vocab_size, config.hidden_size))
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.ln_f = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.visual = VisionTower(config.visual)


class QwenVL(nn.Module):
    """Qwen-VL without any state of generation: encode_images, embed, decode, and lm_head for the logits."""

    def __init__(self, config: QwenVLConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The compute dtype."""
        return self.lm_head.weight.dtype

    def encode_images(self, pixels_N3SS: Tensor) -> Tensor:
        """Features (N, Q, C) of preprocessed images."""
        return self.transformer.visual(pixels_N3SS.to(self.device))

    def embed(self, ids_X: Tensor, features_NQC: Tensor | None = None) -> Tensor:
        """Input rows (X, C). With features, the rows of the images are overwritten in order of appearance.

        features_NQC must then hold exactly one entry per <img> in ids_X; None leaves all rows word
        embeddings.
        """
        hidden_XC = self.transformer.wte(ids_X)
        if features_NQC is None:
            return hidden_XC
        rows = self._image_rows(ids_X, features_NQC.shape[0])
        flat_XC = hidden_XC.flatten(0, -2)
        flat_XC[rows] = features_NQC.to(flat_XC).flatten(0, 1)
        return flat_XC.view_as(hidden_XC)

    def _image_rows(self, ids_X: Tensor, n_images: int) -> Tensor:
        visual = self.config.visual
        ids = ids_X.flatten()
        starts_N = (ids == visual.image_start_id).nonzero().flatten()
        assert len(starts_N) == n_images, f"{len(starts_N)} <img> in the ids, features of {n_images} images"
        ends_N = starts_N + visual.n_queries + 1
        inside = ends_N < len(ids)
        closed = inside & (ids[ends_N.clamp(max=len(ids) - 1)] == visual.image_start_id + 1)
        closed &= starts_N // ids_X.shape[-1] == ends_N // ids_X.shape[-1]
        assert bool(closed.all()), (
            f"no </img> {visual.n_queries + 1} rows after <img> at {starts_N[~closed].tolist()}"
        )
        return (starts_N[:, None] + 1 + torch.arange(visual.n_queries, device=ids.device)).flatten()

    def ntk_alpha(self, length: int) -> float:
        """The rotary stretch of a prompt of this length."""
        return ntk_alpha(length, self.config.seq_length) if self.config.use_dynamic_ntk else 1.0

    def rotation(self, positions_X: Tensor, alpha: float) -> Rotation:
        """Rotary and logn tables of rows that all belong to prompts of one alpha."""
        config = self.config
        inverse_F = inverse_frequencies(config.kv_channels, config.rotary_emb_base, alpha, positions_X.device)
        return rotation(positions_X, inverse_F, config.seq_length if config.use_logn_attn else None)

    def decode(self, hidden_XC: Tensor, tables: Rotation, attend: Attend) -> Tensor:
        """All blocks and the final norm."""
        for block in self.transformer.h:
            hidden_XC = block(hidden_XC, tables, attend)
        return self.transformer.ln_f(hidden_XC)


def empty_model(config: QwenVLConfig) -> QwenVL:
    """The model without storage (on torch's meta device), for weights.load_weights to fill."""
    with torch.device("meta"):
        return QwenVL(config).eval().requires_grad_(False)


def random_model(
    config: QwenVLConfig,
    seed: int,
    std: float = 0.02,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> QwenVL:
    """A fresh model of that seed: normal weights, sin-cos positions, norms 1, biases 0."""
    model = empty_model(config).to(dtype).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("pos_embed"):
                side = round(config.visual.n_queries**0.5)
                parameter.copy_(sincos_positions(side, config.visual.output_dim))
            elif name.endswith("bias"):
                parameter.zero_()
            elif ".ln_" in name:
                parameter.fill_(1.0)
            else:
                parameter.normal_(0.0, std, generator=generator)
    return model
