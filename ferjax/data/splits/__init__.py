"""Splits of a data set: the types, validation cuts, cross-validation folds, images left out.

`split` defines `Split` and `DatasetBundle` and takes subsets; `stratified_cut` cuts a validation
split or a sample by class; `folds` makes folds stratified by class or by subject; `refold_splits`
replaces the splits of a data set by such folds; `exclude_file` reads `exclude.txt`; `bad_images`
finds and leaves out unreadable images; `class_counts` describes the counts of classes in words,
`describe_bundle` the classes, counts and notes of a data set; `compact_names` keeps a million image
names in little memory.
"""
