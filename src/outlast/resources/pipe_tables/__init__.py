"""Pipe tables: tables of databases that are loaded from files of others, and kept up with them."""
