"""Loads each data set from files: affectnet, ckplus, expw, fer2013 and others, a user's own folder.

Each data set has a package or module with a function `load`. `user_folder` loads a user's own
images, and `classes_txt` names their numbered classes. `bundle_by_person` makes folds of posed data
sets, `assemble_splits` gives the splits the roles train, val and test. `published_class_counts` is
the table of published counts; `check_class_counts` compares a copy with it and refuses permuted
labels, which `permuted_labels` finds; `numbered_folders` identifies the emotions of numbered
folders by these counts. Synonyms of emotion names are in `ferjax.emotions`.
"""
