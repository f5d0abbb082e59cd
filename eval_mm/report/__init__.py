"""How results are shown: tables beside the published figures."""
