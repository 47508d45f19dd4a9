"""Multi-device scaling of a training step: measured, communication counted, predicted."""
