"""What building a vector database needs."""
