"""Make the bundled demo checkpoint again: `python -m qwen_vl.demo.make [FOLDER]`.

Deterministic: the vocabulary is trained on a fixed text, the weights are random numbers of a fixed seed.
Nothing is trained, so answers are noise. The output rows of tokens that would not print (single bytes beyond
ASCII, control characters, structure, padding) are zero, so the noise is made of words.

Sizes: every ratio of the official model that code depends on is kept (square grids that must be resized, a
resampler with heads of 128, positions stored for 16 x 16 patches), everything else is as small as it goes.
"""

import sys
from pathlib import Path

import torch

from qwen_vl.checkpoint import DEMO_FOLDER, save_checkpoint
from qwen_vl.config import QwenVLConfig, VisionConfig
from qwen_vl.demo.vocabulary import corpus, train, vocabulary_text
from qwen_vl.model import QwenVL, random_model
from qwen_vl.tokenizer import SPECIAL_TOKENS, Tokenizer
from qwen_vl.weights import replace_file

N_RANKS = 512
SEED = 0
STD = 0.15  # wide enough that the image and earlier tokens, not only the last one, sway the next


def config() -> QwenVLConfig:
    """The sizes of the demo model."""
    n_vocab = N_RANKS + len(SPECIAL_TOKENS)
    return QwenVLConfig(
        vocab_size=-(-n_vocab // 64) * 64,  # some rows without a token, as the official table has them
        hidden_size=128,
        num_hidden_layers=3,
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
            image_size=112,
            patch_size=14,
            width=64,
            layers=2,
            heads=4,
            mlp_ratio=4.0,
            output_dim=128,
            image_start_id=N_RANKS + SPECIAL_TOKENS.index("<img>"),
            n_queries=36,
        ),
    )


def make(folder: Path) -> None:
    """Write the demo checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = train(corpus(), N_RANKS)
    vocabulary = folder / "qwen.tiktoken"
    replace_file(vocabulary, lambda path: path.write_text(vocabulary_text(tokens), encoding="ascii"))
    sizes = config()
    model = random_model(sizes, SEED, STD)
    _silence(model, tokens, Tokenizer.from_file(vocabulary, sizes.visual.n_queries))
    save_checkpoint(model, vocabulary, folder, torch.bfloat16)


def _silence(model: QwenVL, tokens: list[bytes], tokenizer: Tokenizer) -> None:
    """Zero the output rows of what would not print; <|endoftext|> may still end an answer, </box> a box."""
    loud = {tokenizer.eod_id, tokenizer.special_id("</box>")}
    loud |= {rank for rank, token in enumerate(tokens) if token.isascii() and token.decode().isprintable()}
    silent = [row for row in range(model.config.vocab_size) if row not in loud]
    model.lm_head.weight[silent] = 0


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO_FOLDER)
