"""The insides of the kinds that make, change and remove databases."""
