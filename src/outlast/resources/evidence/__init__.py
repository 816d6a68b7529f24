"""Evidence: what is known of software, brought by callers and evaluated by policies."""
