"""Frequency-decoupled features (Liu et al., AAAI 2026): what modalities share strictly, the rest loosely."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from crossdistill.losses.checks import full_precision, require_floating, require_pair
from crossdistill.losses.cosine import unit_rows


def frequency_bands(
    features: Float[Tensor, "batch width"],
) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch width"]]:
    """The low and the high frequencies of each row, by the Fourier transform over its D features (Eq. 1 to 3).

    For what is to treat the two apart, such as a classifier of each. They add up to the row less its mean, which is in
    neither: of the D // 2 frequencies above 0 the first half, rounded up, is low. Gradients reach the features.

    Args:
        features: (B, D)

    Returns:
        low and high frequencies, (B, D) each.

    Raises:
        ValueError: another shape or dtype.

    >>> import torch
    >>> from crossdistill.losses import frequency_bands
    >>> slow, fast = torch.tensor([[1.0, 0.0, -1.0, 0.0]]), torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    >>> low, high = frequency_bands(5 + slow + fast)
    >>> torch.allclose(low, slow, atol=1e-6), torch.allclose(high, fast, atol=1e-6)
    (True, True)
    """
    if features.ndim != 2 or features.numel() == 0:
        raise ValueError(f"expected features of shape (B, D) with B > 0 and D > 0, got {tuple(features.shape)}")
    require_floating(features, "features")
    features = full_precision(features)
    width = features.shape[1]
    spectrum = torch.fft.rfft(features, dim=1)
    frequencies = torch.arange(spectrum.shape[1], device=features.device)
    border = (width // 2 + 1) // 2
    low = (frequencies > 0) & (frequencies <= border)
    high = frequencies > border
    return torch.fft.irfft(spectrum * low, n=width, dim=1), torch.fft.irfft(spectrum * high, n=width, dim=1)


def frequency_decoupled_loss(
    student: Float[Tensor, "batch width"], teacher: Float[Tensor, "batch width"]
) -> Float[Tensor, ""]:
    """MSE of the low frequencies and logMSE of the high ones, each row's band of length 1 (Eq. 6 to 9).

    Use it where two modalities' features are thought to agree in their low frequencies and to differ in detail: there
    σ(x) = sign(x) log(1 + |x|) makes large differences count for less. Detach the teacher where it is not to learn.
    Both means are over samples and features, so values are of the order of 1/D. Neither a row's length nor its mean
    matters; a band without any content has no direction and counts as 0. Gradients reach both arguments.

    Args:
        student: (B, D)
        teacher: (B, D)

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import frequency_decoupled_loss
    >>> teacher = torch.tensor([[1.0, 2.0, 0.0, 4.0]])
    >>> float(frequency_decoupled_loss(3 * teacher + 1, teacher)) < 1e-12
    True
    >>> float(frequency_decoupled_loss(-teacher, teacher)) > 0.5
    True
    """
    require_pair(student, teacher, ("student", "teacher"), "(B, D)")
    return loss_of_bands(student, teacher, frequency_bands(student), frequency_bands(teacher))


def loss_of_bands(
    student: Tensor, teacher: Tensor, student_bands: Sequence[Tensor], teacher_bands: Sequence[Tensor]
) -> Float[Tensor, ""]:
    """`frequency_decoupled_loss` of features whose `frequency_bands` are known already."""
    low, high = _directions(student_bands, student)
    teacher_low, teacher_high = _directions(teacher_bands, teacher)
    return mse_loss(low, teacher_low) + mse_loss(_compressed(high), _compressed(teacher_high))


def standardized_mse_loss(
    student: Float[Tensor, "batch width"], teacher: Float[Tensor, "batch width"]
) -> Float[Tensor, ""]:
    """MSE of rows less their means, of length 1 (Eq. 7 without a split into frequencies): the plain ablation.

    What `frequency_decoupled_loss` has to beat. Gradients reach both arguments.

    Args:
        student: (B, D)
        teacher: (B, D)

    Raises:
        ValueError: a shape or dtype mismatch.

    >>> import torch
    >>> from crossdistill.losses import standardized_mse_loss
    >>> teacher = torch.tensor([[1.0, 2.0, 0.0, 4.0]])
    >>> round(float(standardized_mse_loss(3 * teacher + 1, teacher)), 6)
    0.0
    >>> round(float(standardized_mse_loss(-teacher, teacher)), 6)  # (2 ‖x‖)² / 4
    1.0
    """
    require_pair(student, teacher, ("student", "teacher"), "(B, D)")
    return mse_loss(_standardized(student), _standardized(teacher))


def _standardized(x: Tensor) -> Tensor:
    x = full_precision(x)
    [direction] = _directions((x - x.mean(dim=1, keepdim=True),), x)
    return direction


def _directions(parts: Sequence[Tensor], whole: Tensor) -> list[Tensor]:
    """Each row of parts of features, at length 1; what is left of a row by rounding alone has no direction."""
    rounding = 32 * torch.finfo(parts[0].dtype).eps * whole.detach().to(parts[0]).abs().amax(dim=1, keepdim=True)
    return [unit_rows(part, least=rounding) for part in parts]


def _compressed(x: Tensor) -> Tensor:
    """σ of Eq. 6; its slope is 1 at 0 from both sides."""
    sign = x.new_ones(()).copysign(x.detach())  # never 0, where `sign` would have no slope
    return sign * (sign * x).log1p()
