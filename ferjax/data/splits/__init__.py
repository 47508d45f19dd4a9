"""Splits of a data set: the types, validation cuts, cross-validation folds, images left out.

`split` defines `Split` and `DatasetBundle` and takes subsets; `from_arrays` makes both from arrays
in memory; `label_range` checks labels. `stratified_cut` cuts a validation split or a sample by
class, `grouped_cut` keeps groups together; `folds` makes folds stratified by class or by subject;
`refold_splits` replaces the splits of a data set by such folds; `protocols` has the cuts of other
people. `split_record` records the images of a run, `stored_contents` hashes their stored contents,
`recorded_bundle` finds them again. `exclude_file` reads `exclude.txt`; `bad_images`
finds and leaves out unreadable images; `class_counts` describes the counts of classes in words,
`describe_bundle` the classes, counts and notes of a data set; `compact_names` keeps a million image
names in little memory.
"""
