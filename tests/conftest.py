"""What tests share."""

from __future__ import annotations

import os

# Tests run several processes side by side; one thread each is fastest and makes their sums comparable.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("no times", deadline=None)  # a busy machine is no fault
settings.load_profile("no times")
