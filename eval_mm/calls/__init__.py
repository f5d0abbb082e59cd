"""Calls to servers that speak OpenAI's protocol: who is asked with which key, how often, how dear."""
