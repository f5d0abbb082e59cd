"""What differs between families of transformers models.

The unit of the coordinates that they write stands here where their authors say it. A unit is a fact about the
model and is never guessed from its answers: a family that is not here (LLaVA, whose coordinates are of the
picture padded to a square; PaliGemma, which writes `<loc0123>`) needs `--box-scale` before it is asked for
boxes.
"""

from eval_mm.schema import BoxScale

BOX_SCALES: dict[str, BoxScale] = {
    "qwen2_vl": "1000",  # https://arxiv.org/abs/2409.12191, section 2.2.1
    "qwen2_5_vl": "resized",  # https://github.com/QwenLM/Qwen3-VL/issues/676
    "qwen3_vl": "1000",  # https://github.com/QwenLM/Qwen3-VL, cookbooks/2d_grounding.ipynb
    "qwen3_vl_moe": "1000",
    "internvl": "1000",  # https://internvl.readthedocs.io/en/latest/get_started/chat_data_format.html
}
"""`model_type` of config.json -> unit. `resized` is pixels of the picture as the model saw it, whose size
stands in `Prediction.image_size`.
"""

UNMARKED = frozenset({"Idefics3Processor", "InternVLProcessor"})
"""Processors that cannot be told that a control token in somebody's text is text."""
