"""What evaluates evidence."""
