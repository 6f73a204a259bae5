"""The cross-modal model and the discriminators."""

from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.discriminator import Discriminator
from crossdistill.models.fusion import Fusion, Projection

__all__ = ["CrossModalModel", "Discriminator", "Fusion", "Projection"]
