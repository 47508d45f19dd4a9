"""Pages as single HTML files: reports from Markdown, the gallery, summaries of predictions."""
