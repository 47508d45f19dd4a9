"""RAF-DB: the official lists, split folders and label csv files."""
