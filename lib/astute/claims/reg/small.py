"""Claims that small networks decide: what conditional accuracy is, and three statements."""

from scipy.stats import spearmanr

from ...runs import reg
from .. import Incomplete, claim, column


@claim("reg/claim-27", "reg/singular-values", reg.nets)
def conditional_accuracy_is_no_less(rows):
    """Robust accuracy among the images that were right is at least that among all."""
    clean, robust = column(rows, "clean_accuracy"), column(rows, "robust_accuracy")
    least = min(100 * r / c - r for c, r in zip(clean, robust, strict=True))
    return least >= 0, f"the conditional one is larger by {least:.2f} or more"


@claim("reg/claim-28", "reg/singular-values", reg.layers)
def spread_ranks_the_variance_of_gains(rows):
    """Over layers, spread and variance of ||W delta|| have a rank correlation above 0.5."""
    rho = spearmanr(column(rows, "spread"), column(rows, "norm_variance")).statistic
    return rho > 0.5, f"ρ = {rho:.2f} over {len(rows)} layers"


@claim("reg/claim-29", "reg/thm-3-1", reg.theorem)
def equation_5_bounds_the_margin(rows):
    """u_min of equation 5 is at most the least margin of a small dense network."""
    if not rows:
        raise Incomplete("the small network")
    least, u_min = rows[0]["least_margin"], rows[0]["u_min"]
    return u_min <= least, f"u_min {u_min:.2f}, least margin {least:.2f}"


@claim("reg/claim-30", "reg/lemma-3-1", reg.lemma)
def displacement_and_length(rows):
    """Displacement never exceeds length, and equals it only inside one region."""
    if not rows:
        raise Incomplete("the check of Lemma 3.1")
    row = rows[0]
    return (
        row["above"] == row["equal_across_regions"] == 0,
        f"left > right on {row['above']} of {row['nets']} networks; equal on "
        f"{row['equal_across_regions']} of {row['crossing']} segments that cross a border",
    )
