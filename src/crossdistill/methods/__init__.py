"""One file per method, each readable beside its paper. To add one: write its file, add its line here."""

from crossdistill.methods.adaptive_weights import AdaptiveWeights
from crossdistill.methods.amid import AMID
from crossdistill.methods.base import EpochMeans, Method
from crossdistill.methods.ccl import CCL
from crossdistill.methods.crcd import CRCD
from crossdistill.methods.gmc import GMC
from crossdistill.methods.mi import MI
from crossdistill.methods.single import Auxiliary, Baseline, Teacher

METHODS: dict[str, type[Method]] = {
    "baseline": Baseline,
    "teacher": Teacher,
    "auxiliary": Auxiliary,
    "mi": MI,
    "amid": AMID,
    "crcd": CRCD,
    "ccl": CCL,
    "gmc": GMC,
}

__all__ = [
    "AMID",
    "CCL",
    "CRCD",
    "GMC",
    "METHODS",
    "MI",
    "AdaptiveWeights",
    "Auxiliary",
    "Baseline",
    "EpochMeans",
    "Method",
    "Teacher",
]
