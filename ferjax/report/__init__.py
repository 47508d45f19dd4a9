"""Reports: scores, calibration, figures (PNG), and pages (Markdown, JSON) of runs and searches."""
