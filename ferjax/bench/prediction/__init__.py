"""The suite `predict`: crops, single faces, photographs and a video through the predictor."""
