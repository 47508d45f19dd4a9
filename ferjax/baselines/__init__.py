"""Classical baselines: hand-made features (LPQ, PHOG) and a support vector machine."""
