"""Further studies of `sens` on MNIST: settings, measures of known answer, claims that turn."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from astute import (
    attacks,
    claims,
    intervals,
    models,
    objectives,
    papers,
    runs,
    training,
    transforms,
)
from astute.claims import Incomplete
from astute.claims.sens import mnist as judged
from astute.runs import sens


def cpu(name):
    return runs.study(name).at("cpu")


# ---- settings


def test_table_7_attacks_the_networks_of_table_2_and_drops_the_box_only():
    boxed = {run.trained: run.attack for run in cpu("sens/table2")}
    for run in cpu("sens/table7"):
        assert boxed[run.trained].box
        assert not run.attack.box
        assert {**vars(boxed[run.trained]), "box": False} == vars(run.attack)
    printed = [r["variant"] for r in papers.table("sens_table7") if r["dataset"] == "MNIST"]
    assert [run.trained.variant.label for run in cpu("sens/table7")] == printed


def test_the_width_that_table_2_has_is_its_very_network():
    trainings = {run.trained for run in cpu("sens/table2")}
    same = [run for run in cpu("sens/table4") if run.trained.model.width == 0.25]
    assert len(same) == 6
    assert all(run.trained in trainings for run in same)


def test_factors_of_table_1_are_the_printed_ones_and_distances_scale_with_them():
    printed = [
        (r["smooth_level"], r["scale_original"], r["scale_binarized"])
        for r in papers.table("sens_table1")
    ]
    assert printed == list(map(tuple, sens.mnist.TARGETS))
    variants = [run.trained.variant for run in cpu("sens/table1")]
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for (_, original, binarized), pair in zip(
        sens.mnist.TARGETS, zip(variants[::2], variants[1::2], strict=True), strict=True
    ):
        assert torch.equal(pair[0](x), original * (x - 0.5) + 0.5)
        ends = {round(0.5 - binarized / 2, 4), round(0.5 + binarized / 2, 4)}
        assert {round(v, 4) for v in pair[1](x).flatten().tolist()} == ends


def test_other_sizes_take_as_many_steps_as_the_base_with_weight_decay():
    base = {r.length(10_000)[1] for r in (run.trained.recipe for run in cpu("sens/table2"))}
    for run in cpu("sens/fig4"):
        recipe, size = run.trained.recipe, run.trained.train_size
        assert {recipe.length(size)[1]} == base
        assert recipe.weight_decay == 0.002
        if run.attack:
            ramp = recipe.ramp_epochs * math.ceil(size / recipe.batch_size)
            assert 250 <= ramp <= 350  # 300 of table 2's 1,000 steps


# ---- measures


class Made:
    """A context with 12 training images: their level is their place, their classes 0 1 2 0 1 2."""

    def load(self, name, split, limit=None):
        x = torch.arange(12).view(-1, 1, 1, 1) / 100
        y = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 2])
        return SimpleNamespace(x=x[:limit], y=y[:limit], classes=("a", "b", "c"))


def balanced(size):
    return sens.mnist.BalancedTraining(
        data="made",
        variant=transforms.Original(),
        model=models.MLP(sizes=(1, 3)),
        objective=objectives.Natural(),
        recipe=training.Recipe(lr=0.1, epochs=1, batch_size=4),
        train_size=size,
    )


def test_subsets_are_balanced_and_nest():
    small, large = (balanced(n).split("train", Made()) for n in (6, 9))
    assert large[1].bincount().tolist() == [3, 3, 3]
    assert small[1].bincount().tolist() == [2, 2, 2]
    assert set(small[0].flatten().tolist()) < set(large[0].flatten().tolist())
    assert balanced(6).split("test", Made(), 5)[1].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("size", "words"), [(7, "multiple of the 3"), (15, "class of 4 images")])
def test_a_subset_that_cannot_be_balanced_is_refused(size, words):
    with pytest.raises(ValueError, match=words):
        balanced(size).split("train", Made())


@pytest.fixture
def slope(monkeypatch):
    """A trained network that is linear: logits -10 s and +10 s of the mean pixel above 0.5."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[-2.5] * 4, [2.5] * 4]))
        model[1].bias.copy_(torch.tensor([5.0, -5.0]))
    monkeypatch.setattr(sens.masking, "trained", lambda *_: (model, []))
    x = torch.tensor([0.1, 0.3, 0.45, 0.9]).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()
    y = torch.tensor([0, 0, 0, 1])
    return SimpleNamespace(split=lambda *_: (x, y))


def test_along_the_gradient_the_loss_of_a_linear_network_rises_and_none_is_flat(slope):
    found = sens.masking.LossAlong(trained=slope, eps=0.3, points=6, test_size=4).measure(None)
    assert len(found["eps"]) == len(found["loss"]["gradient"]) == 7
    assert all(
        a < b for a, b in zip(*(found["loss"]["gradient"][k:] for k in (0, 1)), strict=False)
    )
    assert found["loss"]["gradient"][-1] > found["loss"]["random"][-1]
    assert found["flat_at_image"]["value"] == found["flat_at_random"]["value"] == 0


def test_the_curve_of_a_linear_network_falls_where_the_border_is_reached(slope):
    attack = attacks.PGD(norm="linf", eps=0.3, step_size=0.1, steps=8, random_start=False)
    run = sens.masking.Curve(
        trained=slope, attack=attack, radii=(0.04, 0.1, 0.25, 0.45), test_size=4
    )
    found = run.measure(None)
    assert [point["value"] for point in found["curve"]] == [1, 0.75, 0.5, 0]
    assert found["most_frequent"] == 0.75


def test_images_made_on_the_network_itself_break_what_a_direct_attack_breaks(slope):
    attack = attacks.PGD(norm="linf", eps=0.25, step_size=0.1, steps=8, random_start=False)
    run = sens.masking.Transfer(trained=slope, source=slope, attack=attack, test_size=4)
    found = run.measure(None)
    assert intervals.outcomes(found["robust_accuracy"]).tolist() == [True, False, False, True]
    assert found["clean_accuracy"]["value"] == 1


def test_example_1_is_what_it_says_and_example_2_meets_the_theory():
    found = sens.examples.Example1(samples=4000).measure(None)
    assert abs(found["halves"]["value"] - 0.2) < 0.03
    assert found["labels_kept"] == 1
    rows = sens.examples.example2([(None, {"result": sens.examples.Example2().measure(None)})])
    assert claims.PREDICATES["sens/claim-41"].holds(claims.means(rows))[0]


# ---- rows and claims


def test_with_and_without_the_box_are_compared_on_the_same_images():
    bits = np.arange(10) < 6
    runs_ = [cpu("sens/table2")[1], cpu("sens/table7")[0]]
    records = [
        {"status": "ok", "result": {"robust_accuracy": intervals.proportion(b)}}
        for b in (np.tile(bits, 300), np.tile(bits, 200))
    ]
    (row,) = sens.mnist.table7(list(zip(runs_, records, strict=True)))
    assert row["robust_acc_with_bound"][0]["n"] == row["robust_acc_without_bound"][0]["n"] == 2000


TABLES = {23: 7, 28: 1, 29: 4, 30: 4, 31: 4, 32: 4}


@pytest.mark.parametrize(("number", "table"), TABLES.items())
def test_the_papers_tables_satisfy_their_claims_as_the_register_says(number, table):
    name = f"sens/claim-{number}"
    holds, evidence = claims.on_paper(name, f"sens_table{table}")
    assert ("yes" if holds else "no") == papers.claims()[name].printed
    assert evidence


def bent(table, column, value, **where):
    """A table of the paper with one cell changed."""
    rows = papers.table(f"sens_table{table}")
    (row,) = [r for r in rows if all(r[k] == v for k, v in where.items())]
    row[column] = value
    return rows


ROBUST = {"training": "pgd", "metric": "robust_accuracy"}
CLEAN = {"training": "pgd", "metric": "accuracy"}


@pytest.mark.parametrize(
    ("number", "rows"),
    [
        (23, bent(7, "robust_acc_without_bound", 91.0, variant="smooth 4")),
        (28, bent(1, "robust_acc_scaled_original", 89.0, smooth_level=4)),
        (29, bent(4, "test_w2", 97.0, training="standard", variant="smooth 5")),
        (30, bent(4, "train_w0.5", 90.0, variant="smooth 5", **CLEAN)),
        (31, bent(4, "test_w4", 97.0, variant="original", **ROBUST)),
        (32, bent(4, "test_w4", 99.0, variant="smooth 2", **ROBUST)),
    ],
)
def test_a_claim_turns_with_a_number_it_names(number, rows):
    assert not claims.PREDICATES[f"sens/claim-{number}"].holds(rows)[0]


def test_what_was_not_measured_at_width_4_is_judged_under_a_reading_named_so_only():
    rows = [
        {k: v for k, v in row.items() if not k.endswith(("w1", "w2", "w4"))}
        for row in papers.table("sens_table4")
    ]
    for number in (30, 31, 32):
        with pytest.raises(Incomplete):
            claims.PREDICATES[f"sens/claim-{number}"].holds(rows)
    measured = [row | {"ends": "measured"} for row in rows]
    holds, text = judged.width_widens_the_robust_gap(measured)
    assert holds
    assert "0.125 to 0.5" in text


def rows_of(sizes, train, test, **common):
    return [
        {"size": s, "train_acc": a, "train_robust": a, "test_acc": b, "test_robust": b} | common
        for s, a, b in zip(sizes, train, test, strict=True)
    ]


@pytest.mark.parametrize(
    ("train", "test", "holds"),
    [
        ((99, 98, 97), (70, 80, 90), True),
        ((99, 98, 98.5), (70, 80, 90), False),
        ((99, 98, 97), (70, 80, 79), False),
    ],
)
def test_directions_over_sizes(train, test, holds):
    about = {"training": "pgd", "variant": "original"}
    rows = rows_of((1000, 3000, 9000), train, test, **about)
    with pytest.raises(Incomplete, match="27,000"):
        judged.more_images_close_the_gap(rows)
    rows = [row | {"sizes": "some"} for row in rows]
    assert judged.more_images_close_the_gap(rows)[0] == holds


def test_binarized_half_of_a_claim_is_a_reading_of_its_own():
    rows = rows_of((1000, 9000), (99, 96.5), (1, 2), training="pgd", variant="binarized")
    with pytest.raises(Incomplete, match="CIFAR-10"):
        judged.binarized_needs_few_images(rows)
    assert not judged.binarized_needs_few_images([row | {"half": "MNIST"} for row in rows])[0]


@pytest.mark.parametrize(
    ("errors", "clean", "holds"),
    [((3.0, 37.7), 97.65, True), ((3.1, 37.7), 97.65, False), ((3.0, 29), 97.65, False)],
)
def test_the_certified_claim_on_the_papers_prose_and_bent(errors, clean, holds):
    rows = [
        {"variant": v, "certified_error": e, "clean_acc": clean}
        for v, e in zip(("binarized", "original"), errors, strict=True)
    ]
    assert judged.binarized_can_be_certified(rows)[0] == holds


def test_fashion_claims_turn():
    rows = [
        {"variant": "original", "std_test_acc": 90.0, "pgd_test_acc": 80.0, "robust_acc": 60.0},
        {"variant": "edge", "std_test_acc": 86.0, "pgd_test_acc": 85.0, "robust_acc": 84.0},
    ]
    for judge in (
        judged.fashion_pays_for_robustness,
        judged.edges_do_not_pay,
        judged.edges_say_less,
    ):
        assert judge(rows)[0]
    rows[1]["robust_acc"] = 82.0
    rows[0]["robust_acc"] = 75.0
    assert not judged.edges_do_not_pay(rows)[0]
    assert not judged.fashion_pays_for_robustness(rows)[0]


def test_figure_5_gives_no_robustness_of_mnist_to_cifar():
    bits = {"robust_accuracy": intervals.proportion([True]), "clean_accuracy": 1}
    bits |= {"robustness_wrt_predictions": 1}
    found = [(r, {"status": "ok", "result": bits}) for r in cpu("sens/table2")]
    found += [(r, {"status": "ok", "result": {"distance": 1.0}}) for r in cpu("sens/fig5")]
    rows = [row for row in sens.figure5(found) if row["variant"] == "original"]
    assert {row["dataset"]: bool(row["robust_acc"]) for row in rows} == {
        "MNIST": True,
        "CIFAR10": False,
    }


def test_rows_of_the_planned_tables_have_the_papers_columns():
    found = [(run, None) for run in cpu("sens/table4")]
    keys = {(r["training"], r["metric"], r["variant"]) for r in papers.table("sens_table4")}
    for row in sens.mnist.table4(found):
        assert (row["training"], row["metric"], row["variant"]) in keys
        assert set(row) <= set(papers.table("sens_table4")[0])
    assert {row["variant"] for row in sens.table2([(r, None) for r in cpu("sens/fig3b")])} == {
        "original",
        "edge",
    }
