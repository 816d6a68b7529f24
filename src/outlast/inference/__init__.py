"""Models: which there are, where each is served, and how to reach it."""
