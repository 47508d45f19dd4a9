"""The catalogue of published weights: torchvision, timm, Microsoft and Keras."""
