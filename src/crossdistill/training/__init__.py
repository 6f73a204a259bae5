"""The training loop, its settings, its checkpoints and its one gather."""

from crossdistill.training.checkpoint import Checkpoint
from crossdistill.training.loop import Observer, Record, Stage, fit
from crossdistill.training.settings import Machine, Optimization

__all__ = ["Checkpoint", "Machine", "Observer", "Optimization", "Record", "Stage", "fit"]
