"""The model behind OpenAI's API: `python -m qwen_vl serve`."""
