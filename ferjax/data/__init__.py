"""Data sets: from files on disk to uint8 batches.

`registry` loads a data set by name, `dataset_table` lists ferjax's own data sets; `datasets` has
one loader for each data set, `synthetic` draws a synthetic one; `reading` reads folders, lists and
csv files; `decoding` decodes image files; `splits` defines `Split` and cuts splits and folds;
`storage` keeps decoded images and features; `pipeline` makes batches; `audit` finds duplicates and
other problems of a data set.
"""
