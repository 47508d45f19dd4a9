"""Export a trained network to files that need no run directory."""
