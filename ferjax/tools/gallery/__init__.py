"""The gallery: an index over runs as one HTML page (`launch.gallery`)."""
