"""Image processing on the device: resize, augmentation, normalisation, mixup, cutmix, TTA."""
