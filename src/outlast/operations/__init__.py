"""The domain: states, transitions, the model and the contract of kinds. Pure; no I/O, no clock."""
