"""Types of machines: what a provider publishes of them, and what a node has room for."""
