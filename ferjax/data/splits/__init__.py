"""Splits of a data set: the types, validation cuts, cross-validation folds, images left out.

`split` defines `Split` and `DatasetBundle` and takes subsets; `stratified_cut` cuts a validation
split or a sample by class; `folds` makes folds stratified by class or by subject; `refold_splits`
replaces the splits of a data set by such folds; `exclude_file` reads `exclude.txt`; `bad_images`
finds and leaves out unreadable images; `class_counts` puts the counts of classes into words, and
`describe_bundle` what a data set holds; `compact_names` keeps a million image names in little
memory.
"""
