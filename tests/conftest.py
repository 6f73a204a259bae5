"""What tests share."""

from __future__ import annotations

import os

# Tests run several processes side by side; one thread each is fastest and makes their sums comparable.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

torch.set_num_threads(1)
