"""Policies: what evidence is held to."""
