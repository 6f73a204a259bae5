"""One file per method, each readable beside its paper. To add one: write its file, add its line here."""

from crossdistill.methods.adaptive_weights import AdaptiveWeights
from crossdistill.methods.amid import AMID
from crossdistill.methods.amid_class_means import AMIDClassMeans
from crossdistill.methods.amid_u import AMIDU
from crossdistill.methods.base import DISCRIMINATOR_ACCURACY, EpochMeans, Method, judged_view
from crossdistill.methods.c2kd import C2KD
from crossdistill.methods.ccl import CCL
from crossdistill.methods.cmc import CMC
from crossdistill.methods.comodo import COMODO
from crossdistill.methods.crcd import CRCD
from crossdistill.methods.crd import CRD
from crossdistill.methods.dist import DIST
from crossdistill.methods.dkd import DKD
from crossdistill.methods.fd_cmkd import FDCMKD
from crossdistill.methods.fitnets import FitNets
from crossdistill.methods.generalized_distillation import GeneralizedDistillation
from crossdistill.methods.gmc import GMC
from crossdistill.methods.hallucination import Hallucination
from crossdistill.methods.kd import KD
from crossdistill.methods.mi import MI
from crossdistill.methods.modality_dropout import ModalityDropout
from crossdistill.methods.mst import MST
from crossdistill.methods.rkd import RKD
from crossdistill.methods.self_training import SelfTraining
from crossdistill.methods.single import Auxiliary, Baseline, Teacher
from crossdistill.plugins import METHODS_GROUP, load_entry_points
from crossdistill.types import InputError

METHODS: dict[str, type[Method]] = {
    "baseline": Baseline,
    "self_training": SelfTraining,
    "teacher": Teacher,
    "auxiliary": Auxiliary,
    "modality_dropout": ModalityDropout,
    "hallucination": Hallucination,
    "generalized_distillation": GeneralizedDistillation,
    "kd": KD,
    "dkd": DKD,
    "dist": DIST,
    "fitnets": FitNets,
    "rkd": RKD,
    "cmc": CMC,
    "crd": CRD,
    "crcd": CRCD,
    "ccl": CCL,
    "gmc": GMC,
    "c2kd": C2KD,
    "mst": MST,
    "fd_cmkd": FDCMKD,
    "comodo": COMODO,
    "mi": MI,
    "amid": AMID,
    "amid_class_means": AMIDClassMeans,
    "amid_u": AMIDU,
}
"""Name -> method. `METHODS["mine"] = Mine` adds one; so do installed packages, by entry points."""


def load_plugins() -> None:
    """Add the methods of installed packages' entry points `crossdistill.methods` to `METHODS`."""
    for name, method in load_entry_points(METHODS_GROUP).items():
        METHODS.setdefault(name, method)


def unknown_method(name: object, place: str = "method", expected: str = "one of") -> InputError:
    """The error, in one line, for a name that is not in `METHODS`.

    place: what the line begins with; expected: its words before their names
    """
    return InputError(
        f"{place}: expected {expected} {', '.join(METHODS)}, found {name!r}; a method of your own gets its name by an "
        'entry point "crossdistill.methods" of an installed package, or in Python by METHODS["name"] = Class'
    )


__all__ = [
    "AMID",
    "AMIDU",
    "C2KD",
    "CCL",
    "CMC",
    "COMODO",
    "CRCD",
    "CRD",
    "DISCRIMINATOR_ACCURACY",
    "DIST",
    "DKD",
    "FDCMKD",
    "GMC",
    "KD",
    "METHODS",
    "MI",
    "MST",
    "RKD",
    "AMIDClassMeans",
    "AdaptiveWeights",
    "Auxiliary",
    "Baseline",
    "EpochMeans",
    "FitNets",
    "GeneralizedDistillation",
    "Hallucination",
    "Method",
    "ModalityDropout",
    "SelfTraining",
    "Teacher",
    "judged_view",
]
