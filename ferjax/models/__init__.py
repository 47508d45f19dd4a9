"""Neural networks as Flax Linen modules: ResNet, VGG, EfficientNet, Awei and small CNNs."""
