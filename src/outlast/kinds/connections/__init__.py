"""Looking whether a connection works: one module for each provider."""
