"""The cross-data-set matrix: every network on every data set (`launch.matrix`).

`run_matrix` is the whole; `networks` are its rows, `columns` its data sets; `cells` evaluates one
network on one data set, or takes a finished evaluation; `matrix_pages` writes the report,
`draw_matrix` the picture.
"""
