"""Requests end; operations outlast them."""
