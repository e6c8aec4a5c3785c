"""Claims 1 to 11 of the idiosyncrasy paper: figure 1 and table 1, attacks on small networks."""

import numpy as np

from ...runs import idio
from .. import Incomplete, claim, column

#: The paper's methods, M1 in the reading that its results need; what has no part in shrinking.
METHODS = ("M1 quantile", "M2", "M3")
CONTROLS = ("noise like M1", "noise like M2")


def _wide(found):
    """The rows of `runs.idio.fig1`: one wide network, MNIST, FGSM."""
    return [{"data": "MNIST", "attack": "FGSM"} | row for row in idio.fig1(found)]


def _curves(**options):
    return lambda found: idio.rows.curves(found, **options)


PUBLISHED = ("FGSM", "DeepFool", "C&W")


def _readings(**options):
    """Those of figure 1 on three data sets."""
    published = ("FGSM", "DeepFool", "C&W 2019")
    return {
        "three data sets, Foolbox of 2019": _curves(**options),
        "C&W in longer steps": _curves(attacks=idio.rows.LONGER, **options),
        "DeepFool as published": _curves(attacks=published, **options),
        "DeepFool as published, C&W in longer steps": _curves(attacks=PUBLISHED, **options),
        "only images with an adversarial": _curves(reached=True, **options),
    }


FIGURE = _readings()
WIDE = {"MNIST and FGSM, wide network": _wide}


def fig1(name, **more):
    """A claim on figure 1: accuracy against the share p of weights removed."""
    made = FIGURE | more
    return claim(f"idio/claim-{name}", "idio/fig1", next(iter(made.values())), readings=made)


def _curve(rows, name):
    """{p: per cent} of one method in one setting; `Incomplete` if a point is missing."""
    if any(row.get(name) is None for row in rows) or not rows:
        where = f"{rows[0]['data']}, {rows[0]['attack']}" if rows else "figure 1"
        raise Incomplete(f"{name} ({where})")
    return {row["p"]: row[name] for row in rows}


def _settings(rows, methods=METHODS):
    """{(data, attack): {method: (clean, adversarial curve)}} of what there are rows for."""
    names = list(dict.fromkeys((row["data"], row["attack"]) for row in rows))
    if not names:
        raise Incomplete("figure 1")
    found = {}
    for data, attack in names:
        for method in methods:
            own = [
                r for r in rows if (r["data"], r["attack"], r["method"]) == (data, attack, method)
            ]
            curves = _curve(own, "clean"), _curve(own, "adv")
            found.setdefault((data, attack), {})[method] = curves
    return found


def _name(setting):
    return " ".join(setting)


@fig1("01", **WIDE)
def accuracy_buys_robustness(rows):
    """In every setting, for M1, M2 and M3, some p lowers clean and raises adversarial accuracy."""
    gains = {
        (setting, method): max((adv[p] - adv[0] for p in adv if clean[p] < clean[0]), default=0)
        for setting, methods in _settings(rows).items()
        for method, (clean, adv) in methods.items()
    }
    (where, method), least = min(gains.items(), key=lambda item: item[1])
    text = f"in {sum(g > 0 for g in gains.values())} of {len(gains)} settings and methods"
    return least > 0, f"{text}; least gain {least:+.0f} ({_name(where)}, {method})"


@fig1("02", **WIDE)
def too_much_is_dysfunctional(rows):
    """In every setting, for each method, p = 99 halves clean accuracy and is past the peak."""
    holds, parts = [], {}
    for methods in _settings(rows).values():
        for method, (clean, adv) in methods.items():
            holds.append(clean[99] < clean[0] / 2 and adv[99] < max(adv.values()))
            parts.setdefault(method, []).append(clean[99])
    text = ", ".join(f"{m} {min(c):.0f} to {max(c):.0f}" for m, c in parts.items())
    return all(holds), f"in {sum(holds)} of {len(holds)}; clean at p = 99: {text}"


@fig1("03", **WIDE)
def a_little_accuracy_buys_a_lot(rows):
    """For at most 2 points of clean accuracy some method gains at least 20 in some setting."""
    best = {}
    for setting, methods in _settings(rows, (*METHODS, *CONTROLS)).items():
        for method, (clean, adv) in methods.items():
            gain = max(adv[p] - adv[0] for p in adv if clean[0] - clean[p] <= 2)
            kind = "noise (our control)" if method in CONTROLS else "a method"
            if gain > best.get(kind, (-101, ""))[0]:
                best[kind] = gain, f"{_name(setting)}, {method}"
    text = "; ".join(f"{kind} {gain:+.0f} ({where})" for kind, (gain, where) in best.items())
    return best["a method"][0] >= 20, f"greatest gain of {text}"


def _greatest(rows):
    """{(data, attack): mean over the methods of the greatest gain over p}."""
    return {
        setting: np.mean([max(adv.values()) - adv[0] for _, adv in methods.values()])
        for setting, methods in _settings(rows).items()
    }


@fig1("04", **_readings(same=True))
def most_against_carlini_wagner(rows):
    """The greatest gain over p, averaged over data sets and methods, is largest against C&W.

    On the images that all attacks saw: of fewer images the greatest is larger by chance.
    """
    gains = _greatest(rows)
    mean = {
        attack: np.mean([g for s, g in gains.items() if s[1] == attack])
        for attack in dict.fromkeys(s[1] for s in gains)
    }
    text = ", ".join(f"{attack} {gain:+.0f}" for attack, gain in mean.items())
    holds = max(mean, key=mean.get).startswith("C&W")
    return holds, f"mean of the greatest gains: {text}"


@fig1("05")
def deepfool_resists_but_on_cifar(rows):
    """DeepFool: greatest gain of any method below 2 on both MNISTs, at least 5 on CIFAR-10."""
    gains = {
        data: max(max(adv.values()) - adv[0] for _, adv in methods.values())
        for (data, attack), methods in _settings(rows).items()
        if attack.startswith("DeepFool")
    }
    text = ", ".join(f"{data} {gain:+.0f}" for data, gain in gains.items())
    holds = gains["MNIST"] < 2 and gains["Fashion-MNIST"] < 2 and gains["CIFAR-10"] >= 5
    return holds, f"greatest gains: {text}"


def _changes(**options):
    return lambda found: idio.rows.changes(found, **options)


TABLE = {
    "mean of three attacks": _changes(),
    "mean of three attacks, C&W in longer steps": _changes(attacks=idio.rows.LONGER),
    **{a: _changes(attacks=(a,)) for a in (*idio.rows.FOOLBOX, "DeepFool", "C&W")},
    "mean of three attacks, failures count most": _changes(attacks=PUBLISHED, score="area"),
}
STEPS = tuple(f"delta_p{p}" for p in range(1, 6))


def table1(name):
    """A claim on table 1: changes of the distance score, the attack repeated on each network."""
    return claim(f"idio/claim-{name}", "idio/table1", next(iter(TABLE.values())), readings=TABLE)


def _deltas(rows, data=None):
    """{(data, method): five changes}; `Incomplete` if one is missing."""
    own = [row for row in rows if data in (None, row["dataset"])]
    if not own:
        raise Incomplete(f"table 1, {data or 'all data sets'}")
    cells = zip(*(column(own, step) for step in STEPS), strict=True)
    names = ((row["dataset"], row["method"]) for row in own)
    return dict(zip(names, cells, strict=True))


def _means(rows, data):
    """{method: mean change}, and it in words, with the share of the trained network's score."""
    found = {method: np.mean(d) for (_, method), d in _deltas(rows, data).items()}
    start = next(row["score_p0"] for row in rows if row["dataset"] == data)
    parts = (f"{m} {d:+.3g} ({100 * d / start:+.1f} %)" for m, d in found.items())
    return found, ", ".join(parts)


@table1("06")
def most_changes_are_gains(rows):
    """More than half of the 45 changes of the score are positive."""
    found = [d for changes in _deltas(rows).values() for d in changes]
    if len(found) < 45:
        raise Incomplete("table 1, all data sets")
    up, none = sum(d > 0 for d in found), sum(d == 0 for d in found)
    return up > 22, f"{up} of {len(found)} up, {none} unchanged"


@table1("07")
def all_methods_help_on_cifar(rows):
    """On CIFAR-10 the mean change is positive for M1, M2 and M3."""
    found, text = _means(rows, "CIFAR-10")
    return min(found.values()) > 0, f"mean changes: {text}"


@table1("08")
def m2_and_m3_beat_m1_on_cifar(rows):
    """On CIFAR-10 the least change of M2 and M3 is above the greatest of M1."""
    found = {method: d for (_, method), d in _deltas(rows, "CIFAR-10").items()}
    least, most = min(*found["M2"], *found["M3"]), max(found["M1"])
    return least > most, f"least of M2, M3 {least:+.3g}, greatest of M1 {most:+.3g}"


@table1("09")
def m2_and_m3_help_on_mnist(rows):
    """On MNIST the mean change is positive for M2 and for M3."""
    found, text = _means(rows, "MNIST")
    return found["M2"] > 0 and found["M3"] > 0, f"mean changes: {text}"


@table1("10")
def m1_improves_with_p_on_mnist(rows):
    """On MNIST the changes of M1 correlate positively with p."""
    found = _deltas(rows, "MNIST")["MNIST", "M1"]
    if np.ptp(found) == 0:
        return False, "all five changes are equal: no correlation"
    r = np.corrcoef(range(1, 6), found)[0, 1]
    return r > 0, f"r = {r:+.2f}"


@table1("11")
def only_m3_helps_on_fashion(rows):
    """On Fashion-MNIST the mean change is positive for M3 alone."""
    found, text = _means(rows, "Fashion-MNIST")
    up = [method for method, d in found.items() if d > 0]
    return up == ["M3"], f"mean changes: {text}"
