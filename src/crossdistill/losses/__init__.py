"""Pure functions of tensors, one file per family of equations."""

from crossdistill.losses.adversarial import class_partners, discriminator_loss, student_adversarial_loss
from crossdistill.losses.compositional import class_contrastive_loss
from crossdistill.losses.cosine import pair_cosine, same_class_cosine, same_class_pairs
from crossdistill.losses.info_nce import info_nce_loss
from crossdistill.losses.jensen_shannon import jensen_shannon_divergence
from crossdistill.losses.mutual_information import mutual_information_bound, mutual_information_loss
from crossdistill.losses.nt_xent import nt_xent_loss
from crossdistill.losses.relation_contrast import classification_gradient, relation_contrastive_loss
from crossdistill.losses.symmetric_kl import symmetric_kl_divergence

__all__ = [
    "class_contrastive_loss",
    "class_partners",
    "classification_gradient",
    "discriminator_loss",
    "info_nce_loss",
    "jensen_shannon_divergence",
    "mutual_information_bound",
    "mutual_information_loss",
    "nt_xent_loss",
    "pair_cosine",
    "relation_contrastive_loss",
    "same_class_cosine",
    "same_class_pairs",
    "student_adversarial_loss",
    "symmetric_kl_divergence",
]
