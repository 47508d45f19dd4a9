"""From uint8 images to network input, on the device: resize, augmentation, normalisation, mixup."""
