"""CIFAR-10's half of figure 4: networks of several widths, training sets of several sizes."""

import math

import numpy as np
import pytest

from astute import claims, intervals, models, papers, runs, values
from astute.claims import Incomplete, Unplanned
from astute.objectives import Adversarial, Natural
from astute.runs import sens

IMAGES = 100
NAMES = ("clean_accuracy", "robust_accuracy")


def made(study, value, scale="cpu"):
    """Runs with made records: ``value(run, split)`` is every accuracy, a whole per cent."""

    def cells(run, split):
        right = np.arange(IMAGES) < value(run, split)
        return dict.fromkeys(NAMES[: 1 + (run.attack is not None)], intervals.proportion(right))

    return [
        (run, {"status": "ok", "result": {s: cells(run, s) for s in ("train", "test")}})
        for run in runs.study(study).at(scale)
    ]


def judge(number, found, reading):
    """The predicate of a claim on made records under a reading."""
    predicate = claims.PREDICATES[f"sens/claim-{number}"]
    return predicate.holds(claims.means(predicate.readings[reading](found)))


# ---- networks and runs


@pytest.mark.parametrize("width", [0.25, 1, 2])
def test_a_width_multiplies_channels_and_hidden_units(width):
    shapes = [tuple(p.shape) for p in models.ThreeConv(width=width)(seed=0).parameters()]
    one, two, three, hidden = (int(n * width) for n in (16, 32, 64, 256))
    kernels = [(one, 3, 3, 3), (two, one, 3, 3), (three, two, 3, 3)]
    assert shapes[:-4:2] == kernels
    assert shapes[-4::2] == [(hidden, 64 * three), (10, hidden)]


def test_width_1_is_the_network_of_old_records_and_no_layer_may_vanish():
    assert values.digest(models.ThreeConv(width=1)) == values.digest(models.ThreeConv())
    assert values.digest(models.ThreeConv(width=2)) != values.digest(models.ThreeConv())
    with pytest.raises(ValueError, match=r"at least 0\.0625; got 0\.05"):
        models.ThreeConv(width=0.05)(seed=0)


@pytest.mark.parametrize(("scale", "width"), [("smoke", 0.125), ("cpu", 1), ("gpu", 2)])
def test_at_one_width_the_networks_are_those_of_table_3(scale, width):
    old = {run.trained for run in runs.study("sens/table3").at(scale)}
    same = [r for r in runs.study("sens/table5").at(scale) if r.trained.model.width == width]
    assert len(same) == 2 * len(sens.capacity.LEVELS[scale])
    assert all(run.trained in old for run in same)


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_every_size_takes_the_steps_and_the_radius_of_table_3(scale):
    base = runs.study("sens/table3").at(scale)[0].trained
    steps = base.recipe.length(base.train_size or 50_000)[1]
    ramp = base.recipe.ramp_epochs * math.ceil((base.train_size or 50_000) / 128)
    for run in runs.study("sens/fig4-cifar").at(scale):
        recipe = run.trained.recipe
        batches, length = recipe.length(run.trained.train_size)
        assert (length, recipe.weight_decay) == (steps, 0.002)
        assert recipe.augmentation == base.recipe.augmentation
        if isinstance(run.trained.objective, Adversarial):
            assert run.attack.eps == run.trained.objective.attack.eps == 8 / 255
            assert recipe.ramp_epochs * batches == (200 if ramp else 0)
        else:
            assert run.attack is None


def test_rows_are_shaped_as_the_paper_prints_them():
    found = [(run, None) for run in runs.study("sens/table5").at("gpu")]
    keys = ("training", "metric", "variant")
    printed = [tuple(map(row.get, keys)) for row in papers.table("sens_table5")]
    assert [tuple(map(row.get, keys)) for row in sens.capacity.every_level(found)] == printed
    rows = sens.capacity.table5(found)
    assert {tuple(map(row.get, keys)) for row in rows} < set(printed)
    assert set(papers.table("sens_table5")[0]) < set(rows[0])


def test_cells_go_to_their_width_split_and_metric():
    def value(run, split):
        natural = isinstance(run.trained.objective, Natural)
        return 10 * run.trained.model.width + 5 * (split == "test") + 40 * natural

    rows = claims.means(sens.capacity.table5(made("sens/table5", value)))
    for row in rows:
        for split, more in (("train", 0), ("test", 5)):
            for width in (1, 2):
                expected = 10 * width + more + 40 * (row["training"] == "standard")
                assert row[f"{split}_w{width}"] == pytest.approx(expected)


def test_samples_come_by_size():
    rows = sens.capacity.samples(made("sens/fig4-cifar", lambda run, _: 50))
    assert [row["size"] for row in rows] == [2500, 2500, 5000, 5000, 10_000, 10_000]
    assert {row["training"] for row in rows} == {"pgd"}


# ---- claims

WIDEST = "levels measured, the widest against 1"


def gained(train, test):
    """Table 5's runs where the widest gains so many points, ``test`` as (original, inf)."""

    def value(run, split):
        if run.trained.model.width != 2:
            return 40
        binary = run.trained.variant.label == "saturate inf"
        return 40 + (train if split == "train" else test[binary])

    return made("sens/table5", value)


@pytest.mark.parametrize(
    ("number", "found", "holds"),
    [
        (33, gained(3, (9, 9)), True),
        (33, gained(2, (-9, -9)), False),
        (34, gained(0, (-1, 4)), True),
        (34, gained(0, (0, 4)), False),
        (34, gained(0, (-1, 5)), False),
    ],
)
def test_widths_turn_their_claims_where_they_were_measured(number, found, holds):
    assert judge(number, found, WIDEST)[0] == holds
    assert "2 levels, width 1 to 2" in judge(number, found, WIDEST)[1]
    with pytest.raises(Unplanned, match="width 4 or 1 of 14 of 14 levels: not at this scale"):
        judge(number, found, "all levels, width 4 against 1")


def test_a_width_that_is_planned_but_has_no_record_is_waited_for():
    found = [
        (run, None if run.trained.model.width == 2 else record)
        for run, record in gained(5, (-1, 1))
    ]
    with pytest.raises(Incomplete, match="train_w2 of original"):
        judge(33, found, WIDEST)


def sized(train, test):
    """Runs by number of images, with robust accuracy on either split for each size in order."""

    def value(run, split):
        place = sorted(sens.capacity.SIZES["cpu"]).index(run.trained.train_size)
        return (train if split == "train" else test)[place]

    return made("sens/fig4-cifar", value)


@pytest.mark.parametrize(
    ("train", "test", "holds"),
    [
        ((60, 50, 40), (20, 19, 21), True),
        ((60, 50, 50), (20, 22, 24), False),  # no fall in the last step
        ((60, 50, 40), (20, 29, 30), False),  # adds 1
    ],
)
def test_more_images_still_help_where_they_were_measured(train, test, holds):
    found = sized(train, test)
    assert judge(37, found, "sizes measured")[0] == holds
    with pytest.raises(Unplanned, match="27,000 and 50,000"):
        judge(37, found, "up to all 50,000")


@pytest.mark.parametrize(
    ("grey", "colour", "both", "alone"),
    [
        ((97, 96, 95), (60, 58, 57), True, True),
        ((97, 96, 95), (60, 59, 58), False, True),
        ((97, 96, 94), (60, 58, 57), False, False),
    ],
)
def test_binary_images_of_both_sets_are_compared(grey, colour, both, alone):
    def value(run, _):
        return grey[(1000, 3000, 9000).index(run.trained.train_size)]

    found = made("sens/fig4", value)
    with pytest.raises(Incomplete, match="CIFAR-10"):
        judge(38, found, "both data sets")
    found += sized(colour, (1, 1, 1))
    assert judge(38, found, "both data sets")[0] == both
    assert judge(38, found, "MNIST half")[0] == alone
