"""Pure functions of tensors, one file per family of equations."""

from crossdistill.losses.adversarial import class_partners, discriminator_loss, student_adversarial_loss
from crossdistill.losses.cosine import pair_cosine, same_class_cosine, same_class_pairs
from crossdistill.losses.jensen_shannon import jensen_shannon_divergence
from crossdistill.losses.mutual_information import mutual_information_bound, mutual_information_loss
from crossdistill.losses.noise_contrastive import (
    info_nce_loss,
    noise_contrastive_loss,
    noise_contrastive_normalizer,
)

__all__ = [
    "class_partners",
    "discriminator_loss",
    "info_nce_loss",
    "jensen_shannon_divergence",
    "mutual_information_bound",
    "mutual_information_loss",
    "noise_contrastive_loss",
    "noise_contrastive_normalizer",
    "pair_cosine",
    "same_class_cosine",
    "same_class_pairs",
    "student_adversarial_loss",
]
