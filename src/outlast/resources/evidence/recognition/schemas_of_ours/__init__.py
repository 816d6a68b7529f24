"""JSON schemas of evidence, as data."""
