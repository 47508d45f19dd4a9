"""RAF-DB: real-world affective faces, in several layouts on disk.

`load_rafdb` finds the layout and loads the data set; `official_lists` reads the list files of the
official release and of APViT; `split_folders` reads train/, val/ and test/ folders (Kaggle);
`label_csv` reads train_labels.csv and test_labels.csv.
"""
