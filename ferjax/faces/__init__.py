"""Face detection, cropping and alignment in photographs. Needs the extra `faces` (OpenCV)."""
