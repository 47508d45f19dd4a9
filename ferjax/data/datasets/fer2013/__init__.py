"""FER2013: `load_fer2013` loads it and reads class folders; `csv_layouts` reads csv files."""
