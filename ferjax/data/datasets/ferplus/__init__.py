"""FER+: FER2013 images with crowd-sourced votes.

`load_ferplus` loads the data set; `vote_files` finds and reads the files of votes and images;
`votes_to_labels` converts votes to hard or soft labels by one of four rules.
"""
