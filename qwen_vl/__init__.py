"""Qwen-VL and Qwen-VL-Chat (arXiv:2308.12966, https://arxiv.org/abs/2308.12966), written natively on current
PyTorch.

No remote code, no pickle, no transformers. Importing this package imports nothing heavy; the modules are the
API:

    checkpoint  load("Qwen/Qwen-VL" or a folder) -> LoadedModel(model, tokenizer, config, folder, chat_format)
    tokenizer   Tokenizer: text <-> ids
    image       load_image, preprocess: file -> pixels
    prompt      build_prompt, TokenPrompt: parts -> ids and images
    generate    generate, mean_logprobs: the slow, obvious reference
    finetune    Settings, finetune: supervised training; also `python -m qwen_vl finetune`
"""
