"""One reader for each data set, and the published class counts that check its label numbering."""
