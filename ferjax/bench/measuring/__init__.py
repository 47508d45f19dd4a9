"""How a benchmark case is measured: its sides, time in turns, memory, operation counts."""
