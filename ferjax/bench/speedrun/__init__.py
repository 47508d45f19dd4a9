"""The suite `speedrun`: time to train to a target accuracy on FER2013, beside PyTorch."""
