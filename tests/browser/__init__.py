"""The one-file page in a browser."""
