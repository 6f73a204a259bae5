"""Will it help? What simple models and information estimates say of training pairs before a night is spent."""

from crossdistill.diagnosis.diagnose import Counts, Evidence, evidence_of
from crossdistill.diagnosis.information import (
    classifier_information,
    classifier_information_of_classes,
    neighbour_information,
    neighbour_information_of_classes,
)
from crossdistill.diagnosis.report import Diagnosis
from crossdistill.diagnosis.scores import Score
from crossdistill.diagnosis.verdict import Thresholds, Verdict, judge

__all__ = [
    "Counts",
    "Diagnosis",
    "Evidence",
    "Score",
    "Thresholds",
    "Verdict",
    "classifier_information",
    "classifier_information_of_classes",
    "evidence_of",
    "judge",
    "neighbour_information",
    "neighbour_information_of_classes",
]
