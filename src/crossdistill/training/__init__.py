"""The training loop, its settings, its checkpoints and its one gather."""

from crossdistill.training.checkpoint import Checkpoint
from crossdistill.training.loop import Record, Stage, fit
from crossdistill.training.settings import Machine, Optimization

__all__ = ["Checkpoint", "Machine", "Optimization", "Record", "Stage", "fit"]
