"""Protocols that are not ferjax's own: splits and labels as papers and public code make them.

`registry` names them and states what each breaches; `splits_of_papers` has the cuts of the five
papers, `splits_to_study` the cuts that the study of protocols compares, `rebuild_bundle` the
functions that both use.
"""
