"""Pictures, tables and documents that a run leaves behind."""
