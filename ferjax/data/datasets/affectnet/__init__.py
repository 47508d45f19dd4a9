"""AffectNet, in five layouts on disk.

`load_affectnet` finds the layout and makes the splits; `npy_annotations` reads the labels of the
release with one numpy file for each image; `label_lists` reads text lists, DAN's affectnet.csv and
the lists of the first release; `face` defines the annotated image that they all return, and the
numbering of the classes.
"""
