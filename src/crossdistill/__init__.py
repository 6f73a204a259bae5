"""Cross-modal knowledge distillation: train with all modalities, predict with some of them."""

__version__ = "0.1.0"
