"""What `launch.explain` writes: pictures of faces, and a page about a split of a data set."""
