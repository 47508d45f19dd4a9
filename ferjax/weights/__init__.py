"""Recognisers that come with ferjax: weights files, their model cards, and the reader of both."""
