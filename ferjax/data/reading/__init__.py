"""Reads the files that data sets consist of: class folders, lists of paths, csv files of pixels.

`class_folders` lists the images of the class folders of a known data set; `folder_walk` lists a
user's own folders, with or without train/, val/ and test/; `path_label_list` reads a csv or jsonl
list of path and label; both fill the compact table of `image_table_columns`; `csv_rows` reads csv
rows with their line numbers; `pixel_csv` reads csv files whose rows are images (fer2013.csv), and
`pixel_csv_split` makes a split of them. `image_names` recognises image files, `split_names` the
names of splits, `spreadsheet_cells` numbers and empty cells; `portable_paths` converts the paths of
other systems. Synonyms of emotion names are in `ferjax.emotions`.
"""
