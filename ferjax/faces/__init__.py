"""Faces out of photographs: detection, crops, alignment. Needs the extra `faces` (OpenCV)."""
