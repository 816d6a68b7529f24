"""Where an attempt runs: between a worker and a handler, on one machine."""
