"""Audits a data set: class counts, unreadable images, pixel statistics, duplicates, split overlap.

`audit_dataset` makes the whole audit; `pixel_statistics` reads every image once (mean, standard
deviation, grey images, hashes); `perceptual_hash` is the 64-bit DCT hash; `near_duplicate_pairs`
finds near and mirrored duplicates by their hashes and groups them; `mirrored_duplicates` splits
these groups into an original and a mirrored side; `count_duplicate_groups` counts groups within and
across splits; `duplicates_summary` joins the results; `split_overlap` finds identical images in two
splits.
"""
