"""Random transformers models of a few thousand weights, saved as checkpoints of real families are.

Their tokenizers know the 256 bytes and the family's own tokens. Weights are drawn wide, so that answers to
different prompts differ.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as library
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

SIZE = 56
PATCH = 14
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TURNS = (
    "{% for m in messages %}{{ m['role'].upper() }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "PICTURE{% else %}{{ c['text'] }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
LLAVA_TURNS = TURNS.replace("PICTURE", "<image>\n")


def tokenizer(tokens: Sequence[str], template: str | None = None, **names: str) -> Any:
    """Bytes, <s>, </s>, <pad>, these tokens, and some that the family's processor knows by a name."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_alone = Tokenizer(models.BPE(vocab={char: place for place, char in enumerate(alphabet)}, merges=[]))
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_alone.decoder = decoders.ByteLevel()
    made = library.PreTrainedTokenizerFast(
        tokenizer_object=bytes_alone,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=names,
    )
    made.add_special_tokens({"additional_special_tokens": list(tokens)})
    made.chat_template = template
    return made


def text_config(made: Any, **own: Any) -> dict[str, Any]:
    """Two layers of width 64 for this tokenizer."""
    return {
        "vocab_size": len(made),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.3,
        "bos_token_id": made.bos_token_id,
        "eos_token_id": made.eos_token_id,
        "pad_token_id": made.pad_token_id,
        **own,
    }


VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": PATCH,
}


def qwen_vl(folder: Path, version: str = "2") -> None:
    """Qwen2-VL, or Qwen2.5-VL for version "2_5": pictures at their own size, three kinds of positions."""
    tokens = ("im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")
    made = tokenizer([f"<|{token}|>" for token in tokens], CHATML)
    ids = {f"{token}_id": made.convert_tokens_to_ids(f"<|{token}|>") for token in tokens}
    sections = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    towers: dict[str, dict[str, Any]] = {
        "2": {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2},
        "2_5": {
            "hidden_size": 32,
            "out_hidden_size": 64,
            "intermediate_size": 48,
            "fullatt_block_indexes": [1],
        },
    }
    tower = {"depth": 2, "num_heads": 2, "patch_size": PATCH, "initializer_range": 0.3, **towers[version]}
    config = getattr(library, f"Qwen{version}{'_' if version == '2_5' else ''}VLConfig")(
        text_config=text_config(made, rope_parameters=sections),
        vision_config=tower,
        image_token_id=ids["image_pad_id"],
        video_token_id=ids["video_pad_id"],
        vision_start_token_id=ids["vision_start_id"],
        vision_end_token_id=ids["vision_end_id"],
    )
    name = f"Qwen{version}{'_' if version == '2_5' else ''}VL"
    model = save_model(getattr(library, f"{name}ForConditionalGeneration"), config, folder)
    model.generation_config.eos_token_id = [ids["im_end_id"]]
    model.generation_config.save_pretrained(folder)
    pixels = {"shortest_edge": 4 * 28 * 28, "longest_edge": 16 * 28 * 28}
    Qwen2VLImageProcessorPil(size=pixels, patch_size=PATCH).save_pretrained(folder)
    made.save_pretrained(folder)
    said = {"processor_class": f"{name}Processor"}
    folder.joinpath("processor_config.json").write_text(json.dumps(said), encoding="utf-8")


def llava(folder: Path) -> None:
    """LLaVA: a CLIP tower, a projector, a Llama."""
    made = tokenizer(["<image>"], LLAVA_TURNS)
    config = library.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config={"model_type": "llama", **text_config(made)},
        image_token_id=made.convert_tokens_to_ids("<image>"),
    )
    save_model(library.LlavaForConditionalGeneration, config, folder)
    sizes = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    library.LlavaProcessor(
        image_processor=CLIPImageProcessorPil(**sizes),
        tokenizer=made,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=made.chat_template,
    ).save_pretrained(folder)


def paligemma(folder: Path) -> None:
    """PaliGemma: no chat template, and the prompt attends to itself in both directions."""
    made = tokenizer(["<image>"])
    pictures = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    pictures.image_seq_length = (SIZE // PATCH) ** 2
    processor = library.PaliGemmaProcessor(image_processor=pictures, tokenizer=made)
    tower = {"model_type": "siglip_vision_model", "vision_use_head": False, "projection_dim": 64, **VISION}
    config = library.PaliGemmaConfig(
        vision_config=tower,
        text_config={"model_type": "gemma", "head_dim": 16, **text_config(made, num_key_value_heads=1)},
        image_token_index=made.convert_tokens_to_ids("<image>"),
        projection_dim=64,
        hidden_size=64,
    )
    save_model(library.PaliGemmaForConditionalGeneration, config, folder)
    processor.save_pretrained(folder)


def save_model(kind: Any, config: Any, folder: Path) -> Any:
    """Random weights of a configuration, always the same, saved."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
    model.save_pretrained(folder)
    return model


def qwen3_vl(folder: Path) -> None:
    """Qwen3-VL: pictures enter several layers."""
    tokens = ("im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")
    made = tokenizer([f"<|{token}|>" for token in tokens], CHATML)
    ids = {f"{token}_id": made.convert_tokens_to_ids(f"<|{token}|>") for token in tokens}
    sections = {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True}
    tower = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": PATCH,
        "out_hidden_size": 64,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.3,
    }
    config = library.Qwen3VLConfig(
        text_config=text_config(made, head_dim=16, rope_parameters={**sections, "rope_theta": 10000.0}),
        vision_config=tower,
        image_token_id=ids["image_pad_id"],
        video_token_id=ids["video_pad_id"],
        vision_start_token_id=ids["vision_start_id"],
        vision_end_token_id=ids["vision_end_id"],
    )
    save_model(library.Qwen3VLForConditionalGeneration, config, folder)
    pixels = {"shortest_edge": 4 * 28 * 28, "longest_edge": 16 * 28 * 28}
    Qwen2VLImageProcessorPil(size=pixels, patch_size=PATCH).save_pretrained(folder)
    made.save_pretrained(folder)
    said = {"processor_class": "Qwen3VLProcessor"}
    folder.joinpath("processor_config.json").write_text(json.dumps(said), encoding="utf-8")


def internvl(folder: Path) -> None:
    """InternVL: a picture is one to four tiles."""
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    made = tokenizer([], TURNS.replace("PICTURE", "<IMG_CONTEXT>\n"), **names)
    length = (SIZE // PATCH) ** 2 // 4
    config = library.InternVLConfig(
        vision_config={**VISION, "image_size": [SIZE, SIZE], "patch_size": [PATCH, PATCH]},
        text_config={"model_type": "qwen2", **text_config(made)},
        image_token_id=made.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=length,
    )
    save_model(library.InternVLForConditionalGeneration, config, folder)
    tiles = {"crop_to_patches": True, "min_patches": 1, "max_patches": 4}
    GotOcr2ImageProcessorPil(size={"height": SIZE, "width": SIZE}, **tiles).save_pretrained(folder)
    made.save_pretrained(folder)
    said = {"processor_class": "InternVLProcessor", "image_seq_length": length}
    folder.joinpath("processor_config.json").write_text(json.dumps(said), encoding="utf-8")


def gemma3(folder: Path) -> None:
    """Gemma 3: windows of attention, and the tokens of a picture attend to each other both ways."""
    names = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    made = tokenizer([], TURNS.replace("PICTURE", names["boi_token"]), **names)
    layers = {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
    config = library.Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **VISION},
        text_config={**text_config(made), "head_dim": 16, "query_pre_attn_scalar": 16, **layers},
        mm_tokens_per_image=4,
        tie_word_embeddings=False,
        image_token_id=made.convert_tokens_to_ids(names["image_token"]),
        boi_token_index=made.convert_tokens_to_ids(names["boi_token"]),
        eoi_token_index=made.convert_tokens_to_ids(names["eoi_token"]),
    )
    save_model(library.Gemma3ForConditionalGeneration, config, folder)
    pictures = Gemma3ImageProcessorPil(size={"height": SIZE, "width": SIZE})
    library.Gemma3Processor(
        image_processor=pictures, tokenizer=made, image_seq_length=4, chat_template=made.chat_template
    ).save_pretrained(folder)


def idefics3(folder: Path) -> None:
    """Idefics 3: tiles in rows and columns, named in the text."""
    places = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokens = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *places]
    made = tokenizer(tokens, TURNS.replace("PICTURE", "<image>"))
    config = library.Idefics3Config(
        vision_config=VISION,
        text_config={"model_type": "llama", **text_config(made)},
        scale_factor=2,
        image_token_id=made.convert_tokens_to_ids("<image>"),
        pad_token_id=made.pad_token_id,
    )
    save_model(library.Idefics3ForConditionalGeneration, config, folder)
    sizes = {"size": {"longest_edge": 2 * SIZE}, "max_image_size": {"longest_edge": SIZE}}
    library.Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(**sizes),
        tokenizer=made,
        image_seq_len=(SIZE // PATCH) ** 2 // 4,
        chat_template=made.chat_template,
    ).save_pretrained(folder)


def llava_next(folder: Path) -> None:
    """LLaVA-NeXT: tiles by the picture's shape, so that the tensors of two pictures differ."""
    made = tokenizer(["<image>"], LLAVA_TURNS)
    shapes = [[SIZE, 2 * SIZE], [2 * SIZE, SIZE], [2 * SIZE, 2 * SIZE]]
    config = library.LlavaNextConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config={"model_type": "llama", **text_config(made)},
        image_grid_pinpoints=shapes,
        image_token_id=made.convert_tokens_to_ids("<image>"),
    )
    save_model(library.LlavaNextForConditionalGeneration, config, folder)
    sizes = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    library.LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(**sizes, image_grid_pinpoints=shapes),
        tokenizer=made,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=made.chat_template,
    ).save_pretrained(folder)


Build = Callable[[Path], None]
FAMILIES: dict[str, Build] = {"qwen2_vl": qwen_vl, "llava": llava, "paligemma": paligemma}
"""They are asked every task."""
OTHERS: dict[str, Build] = {
    "qwen3_vl": qwen3_vl,
    "internvl": internvl,
    "gemma3": gemma3,
    "idefics3": idefics3,
    "llava_next": llava_next,
}
