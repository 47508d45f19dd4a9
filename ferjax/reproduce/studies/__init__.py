"""Studies that belong to no single paper: the price of each breach of a protocol.

`protocol_table` lists experiments and comparisons, `drawn_people` draws faces of people for folds,
`answers` reads the answers of a run, `prices` compares, `run_study` takes these steps in order.
"""
