"""Measuring a benchmark case: its sides, interleaved timing, peak memory, FLOP counts."""
