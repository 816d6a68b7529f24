"""What the attempt of an `import_objects` does before anything is parsed."""
