"""Runs `launch.reproduce`: a paper, the study of protocols, or the check of a page."""
