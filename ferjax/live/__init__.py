"""Emotions in videos and from a camera: frames, faces tracked over time, tables and figures."""
