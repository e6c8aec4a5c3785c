"""Claims of "A Closer Look at Accuracy vs. Robustness"."""

from ..runs import closer
from . import claim, column


@claim("closer/claim-01", "closer/separation", closer.separation_table)
def classes_are_separated(rows):
    """Both least distances are at least 2 eps, for every data set of the table."""
    ratios = {}
    for split in ("train", "test"):
        found = column(rows, f"min_{split}_train_separation")
        for row, distance in zip(rows, found, strict=True):
            ratios.setdefault(row["dataset"], []).append(distance / (2 * row["eps"]))
    text = ", ".join(f"{name} {min(found):.1f}" for name, found in ratios.items())
    return min(map(min, ratios.values())) >= 1, f"least distance over 2ε: {text}"


@claim("closer/claim-02", "closer/theorem", closer.theorem_table)
def the_distance_classifier_is_astute(rows):
    """Astuteness 100 on training images at r itself, ties counted as argmin breaks them."""
    inside = min(column(rows, "train_towards") + column(rows, "train_corners"))
    steepest = max(column(rows, "lipschitz_times_r"))
    at_r = sum(column(rows, "right_at_r"))
    text = (
        f"{inside:.0f} % below r, Lipschitz constant at most {steepest:.2f}/r; at r itself "
        f"{at_r} of {2 * len(rows)} images of the closest pairs stay right, the others tie"
    )
    return inside == 100 and steepest <= 1 + 1e-9 and at_r == 2 * len(rows), text
