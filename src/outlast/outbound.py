"""The gate for calls that leave this installation."""
