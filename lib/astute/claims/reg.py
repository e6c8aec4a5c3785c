"""Claims of Wen, Li & Jia (2020), on the regularization of adversarial robustness."""

from functools import partial
from itertools import pairwise
from statistics import median

from ..runs import reg
from ..theory.reg import rank_correlation
from . import Incomplete, Unplanned, claim, column

#: The paper's strengths, in 255ths.
STRENGTHS = (4, 8, 16)
#: Columns that tell one network of a table from another.
NAMES = ("dataset", "model", "training", "spectral_norm", "attack_eps_255")
PGD = ("reg/table3", "reg/table4")
CLIPPED = ("reg/table3", "reg/table6")
#: The three definitions of a layer's singular values.
READINGS = {name: partial(reg.spreads, reading=name) for name in ("circular", "reshaped", "exact")}


def tables(name, studies=PGD, readings=None):
    """A claim on tables of gaps, losses and accuracies against strength."""
    return claim(f"reg/claim-{name}", studies, reg.table, readings)


def networks(name):
    """A claim on the margins, probabilities and losses of the networks."""
    return claim(f"reg/claim-{name}", PGD, reg.blocks)


def singular(name):
    """A claim on the layers' singular values, under each of their definitions."""
    return claim(f"reg/claim-{name}", PGD, READINGS["circular"], READINGS)


def _curves(rows, *metrics, **where):
    """{network: {metric: {strength: value}}}, of networks with two strengths or more.

    Rows are the paper's, one a metric with a column a strength. Natural training (0) is left out:
    the claims are on adversarial training.
    """
    curves = {}
    for row in rows:
        chosen = all(row.get(key) in (None, value) for key, value in where.items())
        if not chosen or row.get("training") in ("natural", "TRADES"):
            continue
        name = " ".join(str(row[key]) for key in NAMES if row.get(key) is not None)
        for metric in metrics:
            if row.get("metric", metric) != metric:
                continue
            prefix = "" if "metric" in row else f"{metric}_"
            values = {a: row.get(f"{prefix}ar{a}") for a in STRENGTHS}
            values = {a: value for a, value in values.items() if value is not None}
            if len(values) > 1:
                curves.setdefault(name, {})[metric] = values
    whole = {name: found for name, found in curves.items() if len(found) == len(metrics)}
    if not whole:
        raise Incomplete(f"{' and '.join(metrics)} at two strengths")
    return whole


def _gaps(rows, gap, **where):
    """{network: {strength: gap}}: from the two splits where both are there, paired by draws."""
    ends = ("train_acc", "test_acc") if gap == "delta_acc" else ("test_loss", "train_loss")
    try:
        pairs = _curves(rows, *ends, **where)
    except Incomplete:
        return {name: found[gap] for name, found in _curves(rows, gap, **where).items()}
    first, second = ends
    return {
        name: {a: v - found[second][a] for a, v in found[first].items() if a in found[second]}
        for name, found in pairs.items()
    }


def _falls(curve):
    return all(b < a for a, b in pairwise(curve[k] for k in sorted(curve)))


def _rises(curve):
    return all(b > a for a, b in pairwise(curve[k] for k in sorted(curve)))


def _words(curves, digits=2):
    """The curves as they are read: "ResNet-20: 0.61, 0.55, 0.48 (a = 4, 8, 16)"."""
    return "; ".join(
        f"{name}: {', '.join(f'{curve[a]:.{digits}f}' for a in sorted(curve))} "
        f"(a = {', '.join(map(str, sorted(curve)))})"
        for name, curve in curves.items()
    )


@tables("01")
def the_loss_gap_falls(rows):
    """The gap of losses is strictly decreasing in strength, in every network's block."""
    gaps = _gaps(rows, "delta_loss")
    return all(map(_falls, gaps.values())), _words(gaps)


@tables("02")
def training_loss_grows(rows):
    """Training loss is strictly increasing in strength."""
    curves = {name: f["train_loss"] for name, f in _curves(rows, "train_loss").items()}
    return all(map(_rises, curves.values())), _words(curves)


@tables("03")
def test_accuracy_falls(rows):
    """Test accuracy is strictly decreasing in strength."""
    curves = {name: f["test_acc"] for name, f in _curves(rows, "test_acc").items()}
    return all(map(_falls, curves.values())), _words(curves, 1)


@tables("04")
def test_loss_ends_lower(rows):
    """Test loss at the greatest strength is below that at the least (PGD, no spectral control)."""
    curves = {name: f["test_loss"] for name, f in _curves(rows, "test_loss").items()}
    return all(c[max(c)] < c[min(c)] for c in curves.values()), _words(curves)


def _images(found, few):
    """Rows of the networks trained on the many images of a table, or on few for longer."""
    sizes = [run.trained.train_size or 50_000 for run, _ in found]
    limit = max(sizes, default=0)
    return reg.table([one for one, size in zip(found, sizes, strict=True) if (size < limit) == few])


#: Where training accuracy is far from 100 % the error gap says little; few images get it there.
ERROR_GAPS = {
    "the tables' networks": partial(_images, few=False),
    "few images for longer": partial(_images, few=True),
}


@claim("reg/claim-05", (), lambda found: [])
def tiny_imagenet_pays_in_loss(rows):
    """On Tiny-ImageNet test loss increases with strength."""
    if not rows:
        raise Unplanned("the wide residual network on Tiny-ImageNet: no study of ours trains it")
    curves = {name: f["test_loss"] for name, f in _curves(rows, "test_loss").items()}
    return all(map(_rises, curves.values())), _words(curves)


@claim("reg/claim-06", (*PGD, "reg/few-images"), ERROR_GAPS["the tables' networks"], ERROR_GAPS)
def the_error_gap_grows_on_cifar10_alone(rows):
    """The gap of accuracies increases in strength on CIFAR-10 and decreases elsewhere."""
    gaps = _gaps(rows, "delta_acc")
    holds = all(
        (_falls if "100" in name.split(" ")[0] or "Wide" in name else _rises)(gap)
        for name, gap in gaps.items()
    )
    return holds, _words(gaps, 1)


@tables("07")
def conditional_pgd_accuracy_grows(rows):
    """Conditional PGD accuracy is strictly increasing in strength."""
    curves = {name: f["pgd_acc"] for name, f in _curves(rows, "pgd_acc").items()}
    return all(map(_rises, curves.values())), _words(curves, 1)


@tables("08", (*PGD, "reg/depth"))
def depth_changes_no_sign(rows):
    """From the least to the greatest strength every metric moves alike in both depths."""
    metrics = ("train_acc", "test_acc", "delta_acc", "train_loss", "test_loss", "delta_loss")
    found, same, parts = {}, True, []
    for name, curves in _curves(rows, *metrics).items():
        data, model = name.split(" ")[:2] if "CIFAR" in name else ("", name.split(" ")[0])
        found.setdefault(data, {})[model] = {
            metric: c[max(c)] > c[min(c)] for metric, c in curves.items()
        }
    found = {data: depths for data, depths in found.items() if len(depths) > 1}
    if not found:
        raise Incomplete("a second depth")
    for data, depths in found.items():
        first, *others = depths.values()
        differ = [m for m in metrics if any(other[m] != first[m] for other in others)]
        same &= not differ
        parts.append(f"{data or 'all'}: {', '.join(differ) or 'none'} differ")
    return same, "; ".join(parts)


def _bounds(curves):
    """{bound: curve}, rising, infinity for no control; `Incomplete` without both kinds."""
    found = {}
    for name, curve in curves.items():
        bound = name.split(" ")[-1]
        found[float("inf") if bound == "uncontrolled" else float(bound)] = curve
    if len(found) < 2 or float("inf") not in found:
        raise Incomplete("networks with and without spectral control")
    return dict(sorted(found.items()))


def _sp(bound):
    return "none" if bound == float("inf") else f"SP {bound:g}"


@tables("09", CLIPPED)
def control_turns_the_error_gap(rows):
    """Over strengths the error gap falls at SP 1 and rises at every other bound and at none."""
    gaps = _bounds(_gaps(rows, "delta_acc"))
    slopes = {bound: c[max(c)] - c[min(c)] for bound, c in gaps.items()}
    holds = all(slope < 0 if bound == 1 else slope > 0 for bound, slope in slopes.items())
    return holds, ", ".join(f"{_sp(b)} {s:+.1f}" for b, s in slopes.items()) + " points"


@tables("10", CLIPPED)
def the_loss_gap_falls_at_every_bound(rows):
    """The loss gap decreases in strength under every spectral norm."""
    gaps = _bounds(_gaps(rows, "delta_loss"))
    return all(map(_falls, gaps.values())), _words({_sp(b): c for b, c in gaps.items()})


@tables("11", CLIPPED)
def control_narrows_the_loss_gap(rows):
    """At each strength the loss gap grows from bound to bound, and to none."""
    gaps = list(_bounds(_gaps(rows, "delta_loss")).items())
    holds, parts = True, []
    for (low, tight), (high, loose) in pairwise(gaps):
        for a in sorted(set(tight) & set(loose)):
            holds &= tight[a] < loose[a]
            parts.append(f"a = {a}: {_sp(low)} {tight[a]:.2f}, {_sp(high)} {loose[a]:.2f}")
    return holds, "; ".join(parts)


@tables("12", CLIPPED)
def control_raises_training_loss(rows):
    """At each strength training loss at SP 1 is above that without control."""
    found = {name: f["train_loss"] for name, f in _curves(rows, "train_loss").items()}
    curves = _bounds(found)
    tight, loose = curves[min(curves)], curves[float("inf")]
    shared = sorted(set(tight) & set(loose))
    text = "; ".join(f"a = {a}: {tight[a]:.2f} against {loose[a]:.2f}" for a in shared)
    return all(tight[a] > loose[a] for a in shared), text


@tables("26", CLIPPED)
def control_costs_no_accuracy(rows):
    """At each strength test accuracy at SP 1 is at least that without control."""
    found = {name: f["test_acc"] for name, f in _curves(rows, "test_acc").items()}
    curves = _bounds(found)
    tight, loose = curves[min(curves)], curves[float("inf")]
    gains = {a: tight[a] - loose[a] for a in sorted(set(tight) & set(loose))}
    return min(gains.values()) >= 0, ", ".join(f"a = {a}: {g:+.1f}" for a, g in gains.items())


def _by_strength(rows, *columns):
    """{network: {column: {strength: value}}} of rows that are one network each."""
    found = {}
    for row in rows:
        if row["strength"] in STRENGTHS and row["training"] == "PGD":
            for name in columns:
                if row.get(name) is not None:
                    curve = found.setdefault(f"{row['dataset']} {row['model']}", {})
                    curve.setdefault(name, {})[row["strength"]] = row[name]
    whole = {
        name: curves
        for name, curves in found.items()
        if len(curves) == len(columns) and all(len(c) > 1 for c in curves.values())
    }
    if not whole:
        raise Incomplete(f"{' and '.join(columns)} at two strengths")
    return whole


@networks("13")
def margins_concentrate(rows):
    """Standard deviation and inter-decile range of margins fall with strength, on both splits."""
    columns = [
        f"{split}_{m}" for split in ("train", "test") for m in ("margin_std", "inter_decile")
    ]
    found = _by_strength(rows, *columns)
    holds = all(_falls(curve) for curves in found.values() for curve in curves.values())
    return holds, "standard deviation, test: " + _words(
        {name: curves["test_margin_std"] for name, curves in found.items()}
    )


@networks("14")
def margins_move_towards_zero(rows):
    """The mode of the test margins moves towards 0 as strength grows."""
    found = {name: c["test_mode"] for name, c in _by_strength(rows, "test_mode").items()}
    near = {name: {a: abs(v) for a, v in c.items()} for name, c in found.items()}
    return all(map(_falls, near.values())), _words(found)


@networks("15")
def networks_get_less_sure(rows):
    """The share of test images with a probability in [.1, .9] grows with strength."""
    found = {name: c["middle"] for name, c in _by_strength(rows, "middle").items()}
    return all(map(_rises, found.values())), _words(found, 1)


@networks("16")
def large_losses_get_rarer(rows):
    """The share of test losses above 5 falls with strength."""
    found = {name: c["above_5"] for name, c in _by_strength(rows, "above_5").items()}
    return all(map(_falls, found.values())), _words(found, 1)


@networks("17")
def cifar10_margins_are_more_skewed(rows):
    """At every strength training margins are more skewed on CIFAR-10 than on CIFAR-100."""
    found = _by_strength(rows, "train_skewness")
    names = [
        next((n for n in found if n.startswith(f"{d} ")), None) for d in ("CIFAR10", "CIFAR100")
    ]
    if None in names:
        raise Incomplete("train_skewness of both data sets")
    ten, hundred = (found[name]["train_skewness"] for name in names)
    shared = sorted(set(ten) & set(hundred))
    text = "; ".join(f"a = {a}: {ten[a]:+.2f} against {hundred[a]:+.2f}" for a in shared)
    return all(abs(ten[a]) > abs(hundred[a]) for a in shared), text


def _differences(rows):
    """{data set: (positive, negative differences of spreads at 4 and 16: sum, count)}.

    From layers of networks trained by PGD without control, or from the sums that the paper prints.
    """
    found = {}
    for row in rows:
        if "sum_std_difference" in row:
            sums = found.setdefault(row["dataset"], [(0.0, 0), (0.0, 0)])
            total, average = row["sum_std_difference"], row["mean_std_difference"]
            sums[row["group"] != "std4_gt_std16"] = total, round(total / average)
            continue
        usual = row["training"] == "PGD" and row["spectral_norm"] == "uncontrolled"
        if not usual or row["kind"] != "convolution":  # the paper counts 55: no dense layer
            continue
        if row.get("std4") is None or row.get("std16") is None:
            continue
        sums = found.setdefault(row["dataset"], [(0.0, 0), (0.0, 0)])
        change = row["std4"] - row["std16"]
        total, count = sums[change < 0]
        sums[change < 0] = total + abs(change), count + 1
    if not found:
        raise Incomplete("layers at strengths 4 and 16")
    return found


@singular("18")
def most_layers_draw_together(rows):
    """Singular values of at least 60 % of the layers spread less at strength 16 than at 4."""
    found = _differences(rows)
    shares = {name: up[1] / (up[1] + down[1]) for name, (up, down) in found.items()}
    text = ", ".join(f"{n} {f[0][1]} of {f[0][1] + f[1][1]} layers" for n, f in found.items())
    return min(shares.values()) >= 0.6, text


@singular("19")
def what_draws_together_outweighs(rows):
    """On CIFAR-10 the spreads fall by at least five times as much in sum as others rise."""
    found = _differences(rows)
    if "CIFAR10" not in found:
        raise Incomplete("layers of CIFAR-10 networks")
    (up, _), (down, _) = found["CIFAR10"]
    return up >= 5 * down, f"falls by {up:.3f} in sum, rises by {down:.3f}"


@singular("20")
def cifar100_changes_less(rows):
    """The falling spreads fall by less in sum on CIFAR-100 than on CIFAR-10."""
    found = _differences(rows)
    for name in ("CIFAR10", "CIFAR100"):
        if name not in found:
            raise Incomplete(f"layers of {name.replace('R1', 'R-1')} networks")
    ten, hundred = found["CIFAR10"][0][0], found["CIFAR100"][0][0]
    return hundred < ten, f"CIFAR-100 {hundred:.3f}, CIFAR-10 {ten:.3f}"


@singular("21")
def spreads_are_around_one(rows):
    """The median spread over the layers lies between 0.5 and 2, at either strength."""
    chosen = [
        row for row in rows if row["training"] == "PGD" and row["spectral_norm"] == "uncontrolled"
    ]
    medians = {}
    for name in ("std4", "std16"):
        values = [row[name] for row in chosen if row.get(name) is not None]
        if not values:
            raise Incomplete(f"layers at strength {name[3:]}")
        medians[name[3:]] = median(values)
    text = ", ".join(f"a = {a}: {m:.2f}" for a, m in medians.items())
    return all(0.5 <= m <= 2 for m in medians.values()), f"medians: {text}"


VARIATIONS = {
    f"change of {what}": partial(reg.variation, what=what) for what in ("loss", "probability")
}


def variations(name):
    """A claim on table 1, whose numbers may be of losses or of probabilities."""
    return claim(f"reg/claim-{name}", PGD, VARIATIONS["change of loss"], VARIATIONS)


@variations("22")
def changes_shrink(rows):
    """Mean and standard deviation of the change fall with strength, at every radius."""
    found = _curves(rows, "mean", "std")
    holds = all(_falls(curve) for curves in found.values() for curve in curves.values())
    return holds, "means: " + _words({name: curves["mean"] for name, curves in found.items()}, 4)


@variations("23")
def changes_scatter(rows):
    """The change's standard deviation exceeds its mean in every cell."""
    found = _curves(rows, "mean", "std")
    ratios = [f["std"][a] / m for f in found.values() for a, m in f["mean"].items()]
    text = f"standard deviation over mean: {min(ratios):.2f} or more in {len(ratios)} cells"
    return min(ratios) > 1, text


@tables("24", "reg/table2")
def fgsm_training_does_alike(rows):
    """Trained by FGSM: loss gap and test accuracy fall with strength, training loss rises."""
    gaps = _gaps(rows, "delta_loss")
    found = _curves(rows, "test_acc", "train_loss")
    holds = all(map(_falls, gaps.values())) and all(
        _falls(curves["test_acc"]) and _rises(curves["train_loss"]) for curves in found.values()
    )
    return holds, "gap " + _words(gaps)


@claim("reg/claim-25", CLIPPED, reg.spreads)
def clipping_meets_its_bound(rows):
    """Clipped layers meet the bound, and the product of norms falls with it."""
    products, above, worst = {}, 0, 0.0
    for row in rows:
        if row["training"] != "PGD":
            continue
        bound = row["spectral_norm"]
        limit = float("inf") if bound == "uncontrolled" else float(bound)
        for a in STRENGTHS:
            norm = row.get(f"norm{a}")
            if norm is None:
                continue
            at = products.setdefault(a, {})
            at[limit] = at.get(limit, 1.0) * norm
            if limit < float("inf"):
                worst = max(worst, norm / limit)
                above += norm > limit * (1 + 1e-3)
    products = {a: dict(sorted(at.items())) for a, at in products.items() if len(at) > 1}
    if not products:
        raise Incomplete("networks with and without spectral control at one strength")
    parts = [
        f"a = {a}: " + ", ".join(f"{_sp(bound)} {value:.2g}" for bound, value in at.items())
        for a, at in products.items()
    ]
    text = f"greatest norm {worst:.4f} times the bound, {above} layers above it; products "
    falling = all(_rises(at) for at in products.values())
    return falling and not above, text + "; ".join(parts)


@claim("reg/claim-27", "reg/singular-values", reg.nets)
def conditional_accuracy_is_no_less(rows):
    """Robust accuracy among the images that were right is at least that among all."""
    clean, robust = column(rows, "clean_accuracy"), column(rows, "robust_accuracy")
    least = min(100 * r / c - r for c, r in zip(clean, robust, strict=True))
    return least >= 0, f"the conditional one is larger by {least:.2f} or more"


@claim("reg/claim-28", "reg/singular-values", reg.layers)
def spread_ranks_the_variance_of_gains(rows):
    """Over layers, spread and variance of ||W delta|| have a rank correlation above 0.5."""
    rho = rank_correlation(column(rows, "spread"), column(rows, "norm_variance"))
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
