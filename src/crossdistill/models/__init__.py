"""The cross-modal model, the discriminators, and the modules that methods add."""

from crossdistill.models.composition import Composition
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.discriminator import Discriminator
from crossdistill.models.fusion import Fusion, Projection, TokenFusion
from crossdistill.models.hallucination import HallucinationBranch
from crossdistill.models.mask import FeatureMask
from crossdistill.models.relations import RelationNetwork

__all__ = [
    "Composition",
    "CrossModalModel",
    "Discriminator",
    "FeatureMask",
    "Fusion",
    "HallucinationBranch",
    "Projection",
    "RelationNetwork",
    "TokenFusion",
]
