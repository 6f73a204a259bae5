"""The scikit-learn estimator: fit(X, y, auxiliary=A), and a container of several modalities that can be sliced."""

from crossdistill.estimator.classifier import CrossModalClassifier
from crossdistill.estimator.modalities import Modalities

__all__ = ["CrossModalClassifier", "Modalities"]
