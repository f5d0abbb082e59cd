"""The demo model before its training, and its place in the package after it.

    python -m qwen_vl.demo.make fresh FOLDER       writes the untrained model
    python -m qwen_vl.demo.make bundle FOLDER ..   bundles a trained one, or the mean of several, in bfloat16

Deterministic: the vocabulary is learned from a fixed text, the weights are random numbers of a fixed seed,
some of them in an order that small models take long to find by themselves:

- The patch positions start as the 2-D sines and cosines that the resampler uses. - The resampler starts by
looking around: query (r, c) attends to the patches near (r, c) and copies them, since its
  query and key projections begin as the fast waves of the positions and its value projections as the
  identity.

How it is trained is in README.md beside this file.

Sizes: every ratio of the official model that code depends on is kept (square grids that must be resized, a
resampler with heads of 128, positions stored for 16 x 16 patches), everything else is small.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from qwen_vl.checkpoint import DEMO_FOLDER, find_vocabulary, load, save_checkpoint
from qwen_vl.config import QwenVLConfig, VisionConfig
from qwen_vl.demo.vocabulary import corpus, train, vocabulary_text
from qwen_vl.files import replace_file
from qwen_vl.model import QwenVL, random_model
from qwen_vl.resampler import sincos_positions
from qwen_vl.tokenizer import SPECIAL_TOKENS

N_RANKS = 640
SEED = 0
STD = 0.08
WORD_STD = 0.4
"""Word embeddings as large as what the blocks add to them, so that words are not drowned."""
FAST_WAVES = 8
"""So many of the waves of each kind tell neighbouring cells apart; the slower ones hardly change."""
SHARPNESS = 4.0
RESIDUAL = ("attn.c_proj.weight", "attn.out_proj.weight", "mlp.c_proj.weight")


def config() -> QwenVLConfig:
    """The sizes of the demo model."""
    n_vocab = N_RANKS + len(SPECIAL_TOKENS)
    return QwenVLConfig(
        vocab_size=-(-n_vocab // 64) * 64,  # some rows without a token, as the official table has them
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        kv_channels=32,
        intermediate_size=704,
        layer_norm_epsilon=1e-6,
        rotary_emb_base=10000.0,
        seq_length=512,
        no_bias=True,
        use_dynamic_ntk=True,
        use_logn_attn=True,
        demo=True,
        visual=VisionConfig(
            image_size=96,
            patch_size=12,
            width=128,
            layers=4,
            heads=4,
            mlp_ratio=4.0,
            output_dim=128,
            image_start_id=N_RANKS + SPECIAL_TOKENS.index("<img>"),
            n_queries=36,
        ),
    )


def fresh_model() -> QwenVL:
    """The demo model before its training."""
    sizes = config()
    model = random_model(sizes, SEED, STD)
    visual, pool = model.transformer.visual, model.transformer.visual.attn_pool
    dim = sizes.visual.output_dim
    waves = torch.arange(dim) % (dim // 4) < FAST_WAVES
    look = torch.diag(waves.float() * math.sqrt(SHARPNESS * math.sqrt(dim)))
    copy = torch.eye(dim)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(RESIDUAL):
                parameter.mul_(0.5)
        model.transformer.wte.weight.mul_(WORD_STD / STD)
        visual.conv1.weight.mul_(0.5)  # the pale ground would drown everything else
        visual.positional_embedding.copy_(2 * sincos_positions(16, sizes.visual.width))
        visual.proj.copy_(copy)
        pool.ln_q.weight.fill_(0.1)
        pool.ln_kv.weight.fill_(0.3)
        pool.attn.in_proj_weight.copy_(torch.cat((look, look, copy)))
        pool.attn.out_proj.weight.copy_(copy)
    return model


def make(folder: Path) -> None:
    """Write the untrained checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "qwen.tiktoken"
    text = vocabulary_text(train(corpus(), N_RANKS))
    replace_file(vocabulary, lambda path: path.write_text(text, encoding="ascii"))
    save_checkpoint(fresh_model(), vocabulary, folder, torch.float32)


def bundle(folders: Sequence[Path]) -> None:
    """Make the mean of these trained checkpoints the bundled one, in bfloat16."""
    save_checkpoint(mean_model(folders), find_vocabulary(folders[0]), DEMO_FOLDER, torch.bfloat16)


def mean_model(folders: Sequence[Path]) -> QwenVL:
    """The model whose weights are the mean of those in `folders`, in float32.

    A lesson about new things costs some of the old ones; half-way back most of both is there
    (https://arxiv.org/abs/2109.01903).
    """
    model, *others = (load(folder, "cpu", "float32").model for folder in folders)
    weights = [dict(other.named_parameters()) for other in others]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.stack([parameter, *(other[name] for other in weights)]).mean(dim=0))
    return model


if __name__ == "__main__":
    verb, *names = sys.argv[1:]
    assert verb in ("fresh", "bundle"), verb
    if verb == "fresh":
        make(Path(names[0]))
    else:
        bundle([Path(name) for name in names])
