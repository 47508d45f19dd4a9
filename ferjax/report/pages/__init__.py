"""Report pages in Markdown and JSON: of a run, of several seeds or folds, an audit, a search."""
