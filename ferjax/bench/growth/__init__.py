"""Suite `growth`: time and memory for each image as a data set grows to a million images."""
