"""Figure 2: corrupted images by a second way, the claims on its table and on our records."""

from dataclasses import replace

import numpy as np
import pytest

from astute import claims, corruptions, intervals, papers, runs
from astute.claims import Incomplete, Unplanned
from astute.runs import idio

NUMBERS = ("12", "13", "14", "15", "16")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Weights and checkpoints in a folder of their own."""
    monkeypatch.setenv("ASTUTE_CACHE", str(tmp_path))


# ---- figure 2


def test_the_versions_are_judged_as_the_measure_of_corruptions_judges_a_network():
    run = idio.corruptions.STUDIES[1].at("smoke")[0]
    few = replace(run.trained.recipe, epochs=1)
    run = replace(run, test_size=4, ps=(50,), trained=replace(run.trained, recipe=few))
    context = runs.Context()
    found = run.measure(context)["versions"][run.role]
    model, _ = runs.trained(run.trained, context)
    test = context.load("digits", "test", 4)
    other = corruptions.accuracies(model, test.x, test.y)
    for key, value in other.items():
        assert found[key] == value


def rows_of(accuracies):
    """Rows as measured: (clean, by kind and severity) in per cent for each model."""
    keys = [f"{kind} {s}" for kind in corruptions.KINDS for s in corruptions.SEVERITIES]
    return [
        {"model": name, "clean": clean, **{key: under(i) for i, key in enumerate(keys)}}
        for name, (clean, under) in accuracies.items()
    ]


def test_guessing_on_a_share_of_the_images_raises_the_score_by_that_share():
    base = (80.0, lambda i: 70.0 - i / 2)
    worse = (0.75 * 80 + 2.5, lambda i: 0.75 * (70.0 - i / 2) + 2.5)
    places = idio.corruptions.points(rows_of({"AlexNet": base, "AlexNet(M1P30)": worse}))
    assert places["AlexNet"]["robustness"] == places["AlexNet"]["accuracy"] == 0
    assert abs(places["AlexNet(M1P30)"]["robustness"] - 0.25) < 1e-9
    assert abs(places["AlexNet(M1P30)"]["pooled"] - 0.25) < 1e-9
    assert abs(places["AlexNet(M1P30)"]["accuracy"] - (62.5 / 80 - 1)) < 1e-9


def test_without_a_base_there_are_no_places_and_if_it_loses_nothing_no_score():
    rows = rows_of({"AlexNet": (50.0, lambda i: 50.0), "ResNet18": (60.0, lambda i: 40.0)})
    place = idio.corruptions.points(rows)["ResNet18"]
    assert place["accuracy"] == pytest.approx(0.2)
    assert np.isnan([place["robustness"], place["pooled"]]).all()
    assert idio.corruptions.points(rows[1:]) == {}
    rows = rows_of({"AlexNet": (50.0, lambda i: 40.0), "ResNet18": (60.0, lambda i: None)})
    assert list(idio.corruptions.points(rows)) == ["AlexNet"]


def record_of(role, shares):
    """A record whose versions have the given shares of 20 images right, clean and corrupted."""

    def measured(clean, under):
        right = {k: intervals.proportion(np.arange(20) < n) for k, n in ((0, clean), (1, under))}
        return {"clean": right[0]} | {kind: [right[1]] * 5 for kind in corruptions.KINDS}

    return {"status": "ok", "result": {"versions": {n: measured(*s) for n, s in shares.items()}}}


def found(m1p30=(16, 14)):
    alexnet = {"AlexNet": (16, 12), "AlexNet(M1P30)": m1p30, "AlexNet(M3P50)": (8, 6)}
    resnet = {"ResNet18": (18, 12), "ResNet(M1P25)": (17, 12), "ResNet(M2P75)": (10, 8)}
    return [(None, record_of("AlexNet", alexnet)), (None, record_of("ResNet18", resnet))]


def test_the_table_has_the_papers_rows_and_columns():
    rows = idio.corruptions.table(found())
    printed = papers.table("idio_appendix_table1")
    assert [row["model"] for row in rows] == [row["model"] for row in printed[:6]]
    assert all(set(row) == set(printed[0]) for row in rows)
    assert rows[1]["robustness_coordinate"] == [0.5]  # loses 2 of 20 where AlexNet loses 4
    assert rows[3]["acc_weather"] == [0.6]
    assert idio.corruptions.table([(None, None)])[0]["accuracy_coordinate"] == []


# ---- claims


@pytest.mark.parametrize("number", NUMBERS)
def test_the_printed_table_satisfies_its_claims_as_the_register_says(number):
    name = f"idio/claim-{number}"
    holds, evidence = claims.on_paper(name, "idio_appendix_table1")
    assert ("yes" if holds else "no") == papers.claims()[name].printed
    assert evidence


def bent(model, **changes):
    """The printed table with some coordinates of a model changed."""
    rows = papers.table("idio_appendix_table1")
    for row in rows:
        if row["model"] == model:
            row |= {f"{key}_coordinate": value for key, value in changes.items()}
    return rows


@pytest.mark.parametrize(
    ("number", "rows", "holds"),
    [
        ("12", bent("ResNet18", robustness=-0.136), True),
        ("12", bent("ResNet18", robustness=0.0), True),  # not more robust
        ("13", bent("AlexNet(M1P30)", robustness=-0.001), False),
        ("13", bent("AlexNet(M1P30)", accuracy=-0.006), False),
        ("14", bent("VGG-19", robustness=-0.149), False),
        ("14", bent("SqueezeNet", accuracy=0.0), False),
        ("15", bent("ResNet-50", robustness=0.001), False),
        ("15", bent("ResNet-50", robustness=-0.061), False),
        ("15", bent("ResNet-50", accuracy=0.29), False),
        ("16", bent("ResNet(M1P25)", accuracy=0.151), False),
        ("16", bent("ResNet(M2P75)", accuracy=0.16), False),
    ],
)
def test_a_bent_table_decides_on_the_right_side_of_the_threshold(number, rows, holds):
    assert bool(claims.PREDICATES[f"idio/claim-{number}"].holds(rows)[0]) == holds


@pytest.mark.parametrize(("number", "holds"), [("12", True), ("13", True), ("16", True)])
def test_claims_are_judged_on_measured_accuracies_too(number, holds):
    predicate = claims.PREDICATES[f"idio/claim-{number}"]
    assert predicate.holds(claims.means(predicate.rows(found())))[0] == holds
    with pytest.raises(Incomplete):
        predicate.holds(claims.means(predicate.rows(found()[1:])))
    if number == "13":
        rows = claims.means(predicate.rows(found(m1p30=(15, 14))))
        assert not predicate.holds(rows)[0]  # loses a sixteenth


def test_added_up_first_a_loss_that_is_small_for_the_base_weighs_little():
    keys = [f"{kind} {s}" for kind in corruptions.KINDS for s in corruptions.SEVERITIES]
    small = {key: 49.0 if key.startswith("fog") else 30.0 for key in keys}
    rows = rows_of({"AlexNet": (50.0, lambda i: 0.0), "ResNet18": (50.0, lambda i: 30.0)})
    rows[0] |= small
    place = idio.corruptions.points(rows)["ResNet18"]
    assert place["robustness"] == pytest.approx(1 - (14 + 20) / 15)  # fog: 20 over 1
    assert place["pooled"] == pytest.approx(1 - 15 * 20 / (14 * 20 + 1))


@pytest.mark.parametrize("number", ["14", "15"])
def test_networks_that_no_study_has_are_said_to_be_cited(number):
    predicate = claims.PREDICATES[f"idio/claim-{number}"]
    with pytest.raises(Unplanned, match="cited by the paper, run by no study of ours"):
        predicate.holds(claims.means(predicate.rows(found())))
    judged = claims.judge(f"idio/claim-{number}")
    assert (judged.verdict, "astute run" in judged.evidence) == ("not measured", False)


def test_ranges_hold_the_measured_place_and_shrink_to_it_for_the_base():
    rows = idio.corruptions.versions(found())
    ranges = claims.idio.corruptions.ranges(rows)
    places = idio.corruptions.points(claims.means(rows))
    for name, place in places.items():
        for key, (low, high) in ranges[name].items():
            assert low - 1e-9 <= place[key] <= high + 1e-9
    assert ranges["AlexNet"]["robustness"] == (0, 0)
