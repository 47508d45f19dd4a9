"""FER2013: csv files and class folders."""
