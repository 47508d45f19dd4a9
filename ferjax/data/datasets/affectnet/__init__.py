"""AffectNet, in five layouts on disk.

`load_affectnet` finds the layout and makes the splits; `npy_annotations` reads the labels of the
release with one numpy file for each image, `label_lists` text lists, DAN's affectnet.csv and the
lists of the first release; `face` is what they all return, with the numbering of the classes.
"""
