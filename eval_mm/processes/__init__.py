"""Several processes that fill one run folder: who they are, what they tell each other, how they end."""
