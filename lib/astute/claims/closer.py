"""Claims of "A Closer Look at Accuracy vs. Robustness"."""

from functools import partial

from scipy.stats import spearmanr

from ..runs import closer
from . import Incomplete, cell, claim, column

SMOOTH = ("AT", "RST", "TRADES")

#: The readings of the estimator and of the training code, under which claims on it are judged.
READINGS = {
    "steps uphill": closer.mnist_table,
    "steps downhill": partial(closer.mnist_table, reading="official"),
    "downhill, official GR and LLR": partial(
        closer.mnist_table, reading="official", variants="official"
    ),
    "probabilities": partial(closer.mnist_table, reading="probabilities"),
    "to the border": partial(closer.mnist_table, reading="best"),
}


TEN = ("closer/mnist", "closer/lipschitz")


def methods(name):
    """A claim on the accuracies of the ten methods."""
    return claim(f"closer/claim-{name}", TEN, closer.mnist_table)


def lipschitz(name):
    """A claim on the Lipschitz estimate of the ten methods, judged under all its readings."""
    return claim(f"closer/claim-{name}", TEN, closer.mnist_table, READINGS)


def dropout(name):
    """A claim on pairs of trainings, without and with dropout."""
    return claim(f"closer/claim-{name}", "closer/dropout", closer.mnist_table)


def _settings(rows, **where):
    """Rows by data set and network, whole settings only; `Incomplete` if none is left."""
    settings = {}
    for row in rows:
        if all(row[key] == value for key, value in where.items()):
            name = f"{row['dataset']} {row['architecture']}"
            settings.setdefault(name, []).append(row)
    whole = {
        name: part
        for name, part in settings.items()
        if all(row["test_acc"] is not None for row in part)
    }
    if not whole:
        missing = sum(row["test_acc"] is None for part in settings.values() for row in part)
        raise Incomplete(
            f"{missing or 'every'} row of {' '.join(settings) or ', '.join(where.values())}"
        )
    return whole


def _every(settings, judge):
    """Whether ``judge(rows) -> (holds, words)`` holds in every setting, and its words."""
    found = {name: judge(rows) for name, rows in settings.items()}
    text = "; ".join(f"{name}: {words}" for name, (_, words) in found.items())
    return all(holds for holds, _ in found.values()), text


def _of(rows, *names):
    return [row for row in rows if row["method"] in names]


def _betas(rows, name):
    """A column of TRADES in the order of beta."""
    return [cell(rows, name, method="TRADES", parameter=f"beta={beta}") for beta in (1, 3, 6)]


def _gap(row):
    """Training minus test accuracy: of the measured cells, where there are both."""
    if row.get("train_acc") is not None and row.get("test_acc") is not None:
        return row["train_acc"] - row["test_acc"]
    if row.get("gap") is None:
        raise Incomplete(f"gap of {row['method']}")
    return row["gap"]


def _adv_gap(row):
    if row.get("adv_train_acc") is not None and row.get("adv_test_acc") is not None:
        return row["adv_train_acc"] - row["adv_test_acc"]
    if row.get("adv_gap") is None:
        raise Incomplete(f"adv_gap of {row['method']}")
    return row["adv_gap"]


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


@lipschitz("03")
def robust_methods_are_smoother(rows):
    """The least smooth of AT, RST, TRADES is smoother than the smoothest of the others."""

    def judge(rows):
        others = min(column(_of(rows, "Natural", "GR", "LLR"), "test_lipschitz"))
        robust = max(column(_of(rows, *SMOOTH), "test_lipschitz"))
        return others > robust, f"{others:.3g} against {robust:.3g}"

    return _every(_settings(rows), judge)


@lipschitz("04")
def trades_is_smoothest(rows):
    """The smallest estimate belongs to a TRADES model."""

    def judge(rows):
        column(rows, "test_lipschitz")
        least = min(rows, key=lambda row: row["test_lipschitz"])
        name = " ".join(str(least[k]) for k in ("method", "parameter") if least[k])
        return least["method"] == "TRADES", f"{name}, {least['test_lipschitz']:.3g}"

    return _every(_settings(rows), judge)


@lipschitz("05")
def beta_smooths(rows):
    """The estimate falls strictly from beta = 1 to 3 to 6."""

    def judge(rows):
        one, three, six = _betas(rows, "test_lipschitz")
        return one > three > six, f"{one:.3g}, {three:.3g}, {six:.3g}"

    return _every(_settings(rows), judge)


@lipschitz("06")
def smooth_is_robust(rows):
    """Spearman correlation of estimate and robust accuracy over the methods is negative."""

    def judge(rows):
        lip, robust = column(rows, "test_lipschitz"), column(rows, "adv_test_acc")
        rho = spearmanr(lip, robust).statistic
        return rho < 0, f"ρ = {rho:.2f}"

    return _every(_settings(rows), judge)


@lipschitz("07")
def returns_diminish(rows):
    """In at least one setting beta = 6 is smoother than beta = 3 and no more robust."""
    found = {}
    for name, part in _settings(rows).items():
        (_, a3, a6), (_, l3, l6) = _betas(part, "adv_test_acc"), _betas(part, "test_lipschitz")
        found[name] = a6 <= a3 and l6 < l3, f"{a3:.2f} to {a6:.2f} %, {l3:.3g} to {l6:.3g}"
    text = "; ".join(f"{name}: {words}" for name, (_, words) in found.items())
    return any(holds for holds, _ in found.values()), text


@methods("08")
def robust_methods_generalise_worse(rows):
    """Every AT, RST and TRADES model has a larger gap than natural training."""

    def judge(rows):
        (natural,) = _of(rows, "Natural")
        least = min(map(_gap, _of(rows, *SMOOTH)))
        return least > _gap(natural), f"at least {least:.2f} against {_gap(natural):.2f}"

    return _every(_settings(rows), judge)


@methods("09")
def adversarial_gaps_are_large(rows):
    """On CIFAR-10 every AT, RST and TRADES model has an adversarial gap of at least 30."""

    def judge(rows):
        least = min(map(_adv_gap, _of(rows, *SMOOTH)))
        return least >= 30, f"at least {least:.1f}"

    return _every(_settings(rows, dataset="CIFAR-10"), judge)


@methods("10")
def rst_is_more_accurate_than_at(rows):
    """RST has a higher test accuracy than AT at every lambda, and a larger gap than Natural."""

    def judge(rows):
        (at,), (natural,) = _of(rows, "AT"), _of(rows, "Natural")
        rst = _of(rows, "RST")
        least, gap = min(column(rst, "test_acc")), min(map(_gap, rst))
        text = (
            f"test accuracy at least {least:.2f} against {cell([at], 'test_acc'):.2f}, gap at "
            f"least {gap:.2f} against {_gap(natural):.2f}"
        )
        return least > at["test_acc"] and gap > _gap(natural), text

    return _every(_settings(rows), judge)


@methods("11")
def lambda_trades_accuracy_for_robustness(rows):
    """On CIFAR-10 robust accuracy rises with lambda and test accuracy falls."""

    def judge(rows):
        rst = [cell(rows, c, method="RST", parameter=f"lambda={w}") for c, w in ORDER]
        robust, clean = rst[:3], rst[3:]
        holds = robust[0] < robust[1] < robust[2] and clean[0] > clean[1] > clean[2]
        return holds, " ".join(f"{value:.2f}" for value in rst)

    return _every(_settings(rows, dataset="CIFAR-10"), judge)


ORDER = [(c, w) for c in ("adv_test_acc", "test_acc") for w in ("0.5", "1", "2")]


@lipschitz("12")
def smooth_generalises_worse(rows):
    """Spearman correlation of estimate and gap over the methods is negative."""

    def judge(rows):
        rho = spearmanr(column(rows, "test_lipschitz"), list(map(_gap, rows))).statistic
        return rho < 0, f"ρ = {rho:.2f}"

    return _every(_settings(rows), judge)


def _changes(pairs, value, sign):
    """Whether ``sign`` times the change from without to with dropout is above 0 in every pair."""
    changes = {}
    for key, without, with_ in pairs:
        try:
            changes[key] = value(with_) - value(without)
        except Incomplete:  # two gaps are illegible in the paper's table
            continue
    if not changes:
        raise Incomplete("pairs without and with dropout")
    text = ", ".join(f"{key} {change:+.2f}" for key, change in changes.items())
    return all(sign * change > 0 for change in changes.values()), text


def _value(name):
    return lambda row: cell([row], name)


@dropout("13")
def dropout_lowers_the_gap(rows):
    """For every method the gap is smaller with dropout."""
    return _changes(closer.dropout_pairs(rows), _gap, -1)


@claim("closer/claim-14", "closer/dropout", closer.mnist_table, READINGS)
def dropout_smooths(rows):
    """For every method the estimate is smaller with dropout."""
    return _changes(closer.dropout_pairs(rows), _value("test_lipschitz"), -1)


@dropout("15")
def dropout_raises_accuracy(rows):
    """For every method test accuracy is higher with dropout."""
    return _changes(closer.dropout_pairs(rows), _value("test_acc"), 1)


@dropout("16")
def dropout_raises_robust_accuracy_of_trades(rows):
    """For every TRADES model robust accuracy is higher with dropout."""
    return _changes(closer.dropout_pairs(rows, "TRADES"), _value("adv_test_acc"), 1)


@dropout("17")
def dropout_lowers_the_adversarial_gap(rows):
    """For every AT, RST and TRADES model the adversarial gap is smaller with dropout."""
    return _changes(closer.dropout_pairs(rows, *SMOOTH), _adv_gap, -1)


@methods("18")
def natural_is_least_robust(rows):
    """Natural training has the lowest robust accuracy."""

    def judge(rows):
        natural = cell(rows, "adv_test_acc", method="Natural")
        others = min(column([r for r in rows if r["method"] != "Natural"], "adv_test_acc"))
        return natural < others, f"{natural:.2f} against {others:.2f} or more"

    return _every(_settings(rows), judge)


@methods("19")
def natural_is_most_accurate(rows):
    """Natural training has the highest test accuracy."""

    def judge(rows):
        natural = cell(rows, "test_acc", method="Natural")
        others = max(column([r for r in rows if r["method"] != "Natural"], "test_acc"))
        return natural > others, f"{natural:.2f} against {others:.2f} or less"

    return _every(_settings(rows), judge)


@lipschitz("20")
def the_larger_network_is_better(rows):
    """CNN2 is more robust and smoother than CNN1 for every method."""
    settings = _settings(rows, dataset="MNIST")
    small, large = settings.get("MNIST CNN1"), settings.get("MNIST CNN2")
    if not (small and large):
        raise Incomplete("the rows of CNN1 or of CNN2")
    robust = [column(part, "adv_test_acc") for part in (small, large)]
    lip = [column(part, "test_lipschitz") for part in (small, large)]
    better = [b > a for a, b in zip(*robust, strict=True)]
    smoother = [b < a for a, b in zip(*lip, strict=True)]
    text = f"more robust {sum(better)} of {len(better)}, smoother {sum(smoother)}"
    return all(better) and all(smoother), text


@methods("21")
def beta_underfits(rows):
    """Training accuracy does not rise with beta, by more than 0.05."""

    def judge(rows):
        one, three, six = _betas(rows, "train_acc")
        holds = three <= one + 0.05 and six <= three + 0.05
        return holds, f"{one:.2f}, {three:.2f}, {six:.2f}"

    return _every(_settings(rows), judge)
