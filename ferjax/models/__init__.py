"""Networks of the five papers, as pure Linen modules."""
