"""Protocols that are not ferjax's own: splits and labels as papers and public code make them.

`registry` names them and says what each breaches; `splits_of_papers` holds the cuts of the five
papers, `splits_to_study` those that the study of protocols compares, `rebuild_bundle` what both
use.
"""
