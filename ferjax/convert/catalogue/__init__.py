"""Catalogue of pretrained ImageNet weights: torchvision, timm, Microsoft (transformers), Keras."""
