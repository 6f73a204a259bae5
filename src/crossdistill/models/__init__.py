"""The cross-modal model, discriminators and masks."""

from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.discriminator import Discriminator
from crossdistill.models.fusion import Fusion, Projection
from crossdistill.models.mask import FeatureMask

__all__ = ["CrossModalModel", "Discriminator", "FeatureMask", "Fusion", "Projection"]
