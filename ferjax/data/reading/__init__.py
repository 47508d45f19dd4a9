"""Files on disk that data sets are made of: class folders, path lists, csv files of pixels."""
