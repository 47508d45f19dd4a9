"""Studies that belong to no single paper: the price of each breach of a protocol.

`protocol_table` lists experiments and comparisons, `drawn_people` draws faces of people for folds,
`measure_answers` measures the answers of runs, which `answers` defines, `prices` compares them,
`build_study` and `study_report` write the report. `ferjax.reproduce.command.run_study` takes these
steps in order.
"""
