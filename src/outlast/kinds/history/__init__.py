"""What runs in the child of `materialize_history`."""
