"""What kinds read and write: objects and datasets."""
