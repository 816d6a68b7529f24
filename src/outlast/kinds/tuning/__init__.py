"""How the kind `fine_tuning` trains. Only the child imports what needs the extra."""
