"""Pages as single HTML files: reports from their Markdown, the gallery, a table's summary."""
