"""Studies that are of no single paper: the price of each breach of a protocol.

`protocol_table` lists experiments and comparisons, `drawn_people` draws faces of people for folds,
`answers` reads what a run answered, `prices` compares, `run_study` does all in order.
"""
