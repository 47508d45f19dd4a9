"""The input pipeline: training and evaluation batches of a split.

`grain_batches` reads batches through Grain, with shards for several processes; `epoch_order`
shuffles or balances the images of an epoch and draws labels from soft labels.
"""
