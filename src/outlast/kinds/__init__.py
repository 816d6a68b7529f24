"""What can be run: one module or package for each kind of operation."""
