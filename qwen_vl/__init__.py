"""Qwen-VL and Qwen-VL-Chat (arXiv:2308.12966, https://arxiv.org/abs/2308.12966), written natively on current
PyTorch.

    from qwen_vl import QwenVL

    response, history = QwenVL.from_pretrained("demo").chat([{"image": "a.png"}, {"text": "What is this?"}])

No remote code, no pickle, no transformers. Importing this package imports nothing heavy (torch comes when
QwenVL is named). Below that class the modules are the API:

    session     QwenVL: chat, context, draw
    messages    text and structure of a message; boxes of an answer
    boxes       draw_boxes: outlines and labels on a picture
    sampling    Sampling, stream: answers token by token, drawn or greedy
    checkpoint  load("Qwen/Qwen-VL" or a folder) -> LoadedModel(model, tokenizer, config, folder, chat_format)
    tokenizer   Tokenizer: text <-> ids
    image       load_image, preprocess: file -> pixels
    prompt      build_prompt, TokenPrompt: parts -> ids and images
    generate    generate, mean_logprobs: the slow, obvious reference
    engine      Engine, Query: many questions at once, the same answers; also `python -m qwen_vl profile`
    finetune    Settings, finetune: supervised training; also `python -m qwen_vl finetune`
    terminal    `python -m qwen_vl chat`
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwen_vl.session import QwenVL

__all__ = ["QwenVL"]


def __getattr__(name: str) -> object:
    if name == "QwenVL":
        from qwen_vl.session import QwenVL

        return QwenVL
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
