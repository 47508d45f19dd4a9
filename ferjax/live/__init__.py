"""Emotions in videos and from a camera: frames, faces followed over time, tables and pictures."""
