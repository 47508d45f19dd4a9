"""The results of a benchmark: bench.md, bench.json and the speed-up chart."""
