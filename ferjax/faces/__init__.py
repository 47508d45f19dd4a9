"""Face detection, cropping and alignment in photographs.

Detectors other than MTCNN need the extra `faces` (OpenCV).
"""
