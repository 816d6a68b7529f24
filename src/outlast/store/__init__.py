"""The ports of the store; the adapters are `sqlite` (and, later, others), named only by `app`."""
