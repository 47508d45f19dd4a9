"""The web page of a server: templates, styles and its script, nothing of it from another host."""
