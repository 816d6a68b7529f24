"""Wire formats of other platforms: pure translation between their words and ours."""
