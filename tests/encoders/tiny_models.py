"""Configurations of tiny models of transformers."""

from __future__ import annotations

WAVES = {
    "conv_dim": (8, 8),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
"""Of a speech model that makes its first frame of 20 samples: 10 + (3 - 1) * 5."""

PICTURE = {"image_size": 16, "patch_size": 8}
