"""`python -m qwen_vl profile`: speed and memory of the engine beside the published loop."""
