"""What the child of a `sql_query` does."""
