"""The bundled demo checkpoint: a tiny, untrained Qwen-VL that lets every command run on a laptop."""
