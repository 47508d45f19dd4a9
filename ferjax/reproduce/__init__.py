"""Reproduces five papers: experiments, claims with verdicts, one report for each paper."""
