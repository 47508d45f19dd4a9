"""A paper's report: the ledger as JSON and as one page, its figures, and the check of a page."""
