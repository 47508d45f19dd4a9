"""CK+ (Extended Cohn-Kanade), in three layouts on disk.

`load_ckplus` finds the layout and makes folds by subject; `sequences_and_ck48_crops` lists the
frames of the original sequences with their label files, or of the class folders of CK+48;
`csv_copies` reads ckextended.csv and other csv copies, which have no subjects.
"""
