"""Pure functions of tensors, one file per family of equations."""

from crossdistill.losses.adversarial import class_partners, discriminator_loss, student_adversarial_loss
from crossdistill.losses.classification import as_own_classes, labelled_cross_entropy
from crossdistill.losses.compositional import class_contrastive_loss
from crossdistill.losses.correlation import inter_class_correlation_loss, intra_class_correlation_loss
from crossdistill.losses.cosine import pair_cosine, same_class_cosine, same_class_pairs
from crossdistill.losses.decoupled import target_class_divergence
from crossdistill.losses.frequency import frequency_bands, frequency_decoupled_loss, standardized_mse_loss
from crossdistill.losses.hallucination import hallucination_loss
from crossdistill.losses.hints import hint_loss
from crossdistill.losses.jensen_shannon import jensen_shannon_divergence
from crossdistill.losses.mutual_information import (
    MutualInformation,
    mutual_information,
    mutual_information_bound,
    mutual_information_loss,
)
from crossdistill.losses.noise_contrastive import info_nce_loss, noise_contrastive_loss, noise_contrastive_normalizer
from crossdistill.losses.nt_xent import nt_xent_loss
from crossdistill.losses.queue_similarity import queue_similarity_loss
from crossdistill.losses.relation_contrast import classification_gradient_direction, relation_contrastive_loss
from crossdistill.losses.relational import angle_relation_loss, distance_relation_loss
from crossdistill.losses.routing import load_balance_loss, routed_divergence
from crossdistill.losses.selection import non_target_divergence, rank_correlation
from crossdistill.losses.soft_labels import soft_label_divergence, standardized_logits
from crossdistill.losses.symmetric_kl import symmetric_kl_divergence

__all__ = [
    "MutualInformation",
    "angle_relation_loss",
    "as_own_classes",
    "class_contrastive_loss",
    "class_partners",
    "classification_gradient_direction",
    "discriminator_loss",
    "distance_relation_loss",
    "frequency_bands",
    "frequency_decoupled_loss",
    "hallucination_loss",
    "hint_loss",
    "info_nce_loss",
    "inter_class_correlation_loss",
    "intra_class_correlation_loss",
    "jensen_shannon_divergence",
    "labelled_cross_entropy",
    "load_balance_loss",
    "mutual_information",
    "mutual_information_bound",
    "mutual_information_loss",
    "noise_contrastive_loss",
    "noise_contrastive_normalizer",
    "non_target_divergence",
    "nt_xent_loss",
    "pair_cosine",
    "queue_similarity_loss",
    "rank_correlation",
    "relation_contrastive_loss",
    "routed_divergence",
    "same_class_cosine",
    "same_class_pairs",
    "soft_label_divergence",
    "standardized_logits",
    "standardized_mse_loss",
    "student_adversarial_loss",
    "symmetric_kl_divergence",
    "target_class_divergence",
]
