"""The pages of a report: Markdown and JSON of a run, a series of runs, an audit, a search."""
