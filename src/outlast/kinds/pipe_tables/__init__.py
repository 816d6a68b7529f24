"""Loading pipe tables: files are fetched in the attempt, and read in locked children below it."""
