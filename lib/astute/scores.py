"""The robustness score of Wu et al.: how far attacks had to go, and what else can be said of that.

The score gives a failed attack 0, as it gives a misclassified image: a model that no attack can
fool scores like one that is always wrong. So it is reported together with how often the attack
succeeded and with a median in which a failure counts as far as images can be apart.
"""

from typing import NamedTuple

import torch

from . import attacks, intervals, norms, robustness

#: Where the curve of robust accuracy is cut, as a fraction of the largest distance.
CAP = 0.15


class Outcomes(NamedTuple):
    """What an attack did to every image, shapes (N,)."""

    distance: torch.Tensor  #: l2 distance of the adversarial, pixel units, float64
    right: torch.Tensor  #: the image itself was classified as its label
    fooled: torch.Tensor  #: it was, and the adversarial is not
    largest: float  #: l2 distance that no two images exceed: root of the number of pixel values


def outcomes(model, x, y, x_adv, batch_size=500):
    """Ask the model about images and adversarials, whatever the attack said.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    x, y : Tensor (N, C, H, W), (N,)
    x_adv : Tensor (N, C, H, W)
        One attacked image each; the image itself where the attack found nothing.

    Returns
    -------
    Outcomes

    Raises
    ------
    ValueError
        If there are no images or shapes differ, if pixels leave [0, 1], if the model trains.
    """
    if len(x) == 0:
        raise ValueError("a score of no images is undefined; got an empty set")
    if x.shape != x_adv.shape or y.shape != x.shape[:1]:
        raise ValueError(
            "each image needs a label and an attacked image of its shape; got "
            f"{tuple(x.shape)}, {tuple(y.shape)}, {tuple(x_adv.shape)}"
        )
    attacks.check_images(x_adv)
    right = robustness.predict(model, x, batch_size) == y
    wrong = robustness.predict(model, x_adv, batch_size) != y
    distance = norms.size(x_adv.double() - x.double(), "l2")
    return Outcomes(distance, right, right & wrong, x[0].numel() ** 0.5)


def distance_scores(found):
    """The score and its companions.

    Parameters
    ----------
    found : Outcomes

    Returns
    -------
    dict
        ``score``: mean of d_i, the squared distance where the attack fooled a right prediction,
        else 0, pixel units; ``score_levels``: the same for pixels 0..255;
        ``mean_of_successes``: of d_i over these images alone, None if there are none;
        ``success_rate``: an `intervals.proportion` among images that were right, None if none was;
        ``median_distance``: of all images, 0 where the image was wrong as it is, ``largest`` where
        the attack failed.

    References
    ----------
    Wu et al., table 1 and the definition of d_i before it.

    Examples
    --------
    >>> right, fooled = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    >>> found = Outcomes(torch.tensor([2.0, 0.5, 1.0]), right, fooled, 28.0)
    >>> scores = distance_scores(found)
    >>> [round(scores[k], 3) for k in ("score", "mean_of_successes", "median_distance")]
    [1.333, 4.0, 2.0]
    """
    square = found.distance.double().square()
    score = torch.where(found.fooled, square, 0).mean().item()
    distance = torch.where(found.fooled, found.distance.double(), found.largest)
    distance = torch.where(found.right, distance, 0)
    succeeded = found.fooled[found.right].cpu()
    return {
        "score": score,
        "score_levels": 255**2 * score,
        "mean_of_successes": square[found.fooled].mean().item() if found.fooled.any() else None,
        "success_rate": intervals.proportion(succeeded) if len(succeeded) else None,
        "median_distance": distance.quantile(0.5).item(),
    }


def kept_distance(found, reach):
    """How far each image stays right: its part of the area under the robust-accuracy curve.

    The share of images that an attack needs more than d for, as a function of d from 0 to
    ``reach``, encloses an area that is the mean of these numbers. Unlike the score of Wu et al. it
    rises whenever an attack needs more, and most when it fails.

    Parameters
    ----------
    found : Outcomes
    reach : float
        Greatest distance looked at, l2, pixel units.

    Returns
    -------
    Tensor, shape (N,), float64
        0 where the image is wrong as it is, the adversarial's distance up to ``reach``, and
        ``reach`` where the attack failed.

    Examples
    --------
    >>> right, fooled = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    >>> kept_distance(Outcomes(torch.tensor([2.0, 0.5, 1.0]), right, fooled, 28.0), 4.0).tolist()
    [2.0, 4.0, 0.0]
    """
    if not reach > 0:
        raise ValueError(f"reach is a positive distance in pixel units; got {reach:g}")
    far = torch.where(found.fooled, found.distance.double(), torch.inf).clamp(max=reach)
    return torch.where(found.right, far, 0)
