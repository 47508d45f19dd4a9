"""Files that training writes into a run directory: config, lock, checkpoints, metrics.jsonl."""
