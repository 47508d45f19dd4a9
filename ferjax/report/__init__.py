"""Reports: scores, figures (PNG), and pages (Markdown and JSON) of runs, audits and searches."""
