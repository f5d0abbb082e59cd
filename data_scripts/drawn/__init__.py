"""Drawn pictures with known answers: demo data, and what the demo model is trained on."""
