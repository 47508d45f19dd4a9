"""The cross-data-set matrix: every network on every data set (`launch.matrix`).

`run_matrix` runs all steps. `networks` loads the rows, `columns` the data sets. `cells` evaluates
one network on one data set, or reads a finished evaluation. `matrix_pages` writes the report,
`draw_matrix` the picture.
"""
