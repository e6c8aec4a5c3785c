"""Colour variants of Ding et al.: runs that share networks, rows of tables 3 and 7, claims."""

import math

import numpy as np
import pytest
import torch

from astute import (
    claims,
    data,
    intervals,
    models,
    objectives,
    papers,
    runs,
    training,
    transforms,
)
from astute.claims import Incomplete
from astute.claims.sens import cifar as judged
from astute.objectives import Adversarial
from astute.runs import Context, Training, closer, sens

TABLE3 = [f"sens/claim-{k:02d}" for k in range(8, 17)]
IMAGES = 200
QUICK = Training(
    data="digits",
    variant=transforms.Saturate(level=8),
    model=models.MLP(sizes=(784, 8, 10)),
    objective=objectives.Natural(),
    recipe=training.Recipe(lr=0.02, epochs=2, batch_size=20),
    train_size=100,
)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Weights in a folder of their own."""
    monkeypatch.setenv("ASTUTE_CACHE", str(tmp_path))


def record(result):
    return {"status": "ok", "result": result}


def share(value):
    """A proportion of `IMAGES` outcomes, the first so many right."""
    return intervals.proportion(np.arange(IMAGES) < round(IMAGES * value))


def made(study="sens/table3", scale="cpu"):
    """Runs with made records: accuracies that tell variant, training and measure apart."""
    found = []
    for run in runs.study(study).at(scale):
        place = 0.01 * len(found)
        names = (
            ("train_accuracy", "test_accuracy")
            if isinstance(run, sens.cifar.Accuracy)
            else ("clean_accuracy", "robust_accuracy", "robustness_wrt_predictions")
        )
        result = {name: share(0.3 + place + 0.1 * k) for k, name in enumerate(names)}
        found.append((run, record(result)))
    return found


# ---- runs


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_every_later_attack_meets_the_very_networks_of_table_3(scale):
    attacked = {
        run.trained
        for run in runs.study("sens/table3").at(scale)
        if isinstance(run, sens.Robustness)
    }
    for name in ("table7-cifar", "table3-stronger", "table3-train"):
        later = {run.trained for run in runs.study(f"sens/{name}").at(scale)}
        assert later <= attacked
        assert all(isinstance(one.objective, Adversarial) for one in later)


def test_training_and_test_share_the_radius_and_only_table_7_leaves_the_box():
    for scale in ("cpu", "gpu"):
        for name in ("table3", "table7-cifar", "table3-stronger", "table3-train", "fig3a"):
            for run in runs.study(f"sens/{name}").at(scale):
                if isinstance(run, sens.cifar.Accuracy):
                    continue
                assert run.attack.eps == run.trained.objective.attack.eps == 8 / 255
                assert run.attack.box == (name != "table7-cifar")


def test_gpu_has_all_levels_of_the_papers_table_and_cpu_those_of_table_7():
    paper = [row["variant"] for row in papers.table("sens_table3")]
    for scale, expected in (
        ("gpu", paper),
        ("cpu", [r["variant"] for r in papers.table("sens_table7") if r["dataset"] == "CIFAR10"]),
    ):
        runs_ = runs.study("sens/table3").at(scale)
        assert list(dict.fromkeys(run.trained.variant.label for run in runs_)) == expected


def test_histograms_count_every_pixel_once():
    run = sens.cifar.Pixels(data="digits", variant=transforms.Original(), bins=4)
    found = run.measure(Context())
    x = data.load("digits", "test").x
    assert found["pixels"] == x.numel()
    assert sum(found["share"]) == pytest.approx(1)
    expected = [((x >= k / 4) & ((x < (k + 1) / 4) | (k == 3))).double().mean() for k in range(4)]
    assert found["share"] == pytest.approx([v.item() for v in expected])
    binary = sens.cifar.Pixels(data="digits", variant=transforms.Binarize())
    share_ = binary.measure(Context())["share"]
    assert share_[0] + share_[-1] == pytest.approx(1)


def test_samples_come_back_as_they_are():
    found = sens.cifar.Samples(data="digits", places=(0, 5, 2)).measure(Context())
    digits = data.load("digits", "test", limit=6)
    assert found["names"] == [str(digits.y[i].item()) for i in (0, 5, 2)]
    back = torch.from_numpy(closer.pixels(found)).float()
    assert torch.allclose(back, digits.x[[0, 5, 2]])


def test_images_wrong_as_they_are_count_as_broken_and_the_split_is_the_one_asked_for():
    base = runs.study("sens/table7-cifar").at("smoke")[0]
    run = sens.cifar.Survival(trained=QUICK, attack=base.attack, size=60, split="train")
    found = run.measure(Context())
    clean, robust = (intervals.outcomes(found[f"{k}_accuracy"]) for k in ("clean", "robust"))
    model, _ = runs.trained(QUICK, Context())
    x, y = QUICK.split("train", Context(), 60)
    assert clean.tolist() == (model(x).argmax(1) == y).tolist()
    assert not (robust & ~clean).any()
    whole = sens.cifar.Accuracy(trained=QUICK, test_size=50).measure(Context())
    assert whole["train_accuracy"]["n"] == 100
    assert whole["test_accuracy"]["n"] == 50


# ---- rows


def test_rows_have_all_levels_and_empty_cells_where_none_is_measured():
    rows = sens.cifar.table3(made())
    assert [row["variant"] for row in rows] == [r["variant"] for r in papers.table("sens_table3")]
    filled = [row["variant"] for row in rows if row["robust_acc"]]
    assert filled == [row["variant"] for row in sens.cifar.measured(made())]
    assert len(filled) == 6


def test_each_cell_comes_from_its_own_training():
    (first, *_) = sens.cifar.measured(made())
    assert first["variant"] == "saturate 1"
    assert [first[c][0]["value"] for c in ("pgd_test_acc", "robust_acc")] == [0.3, 0.4]
    assert first["robustness_wrt_predictions"][0]["value"] == 0.5
    assert first["std_test_acc"][0]["value"] == pytest.approx(0.41)  # the second run's test


def test_a_failed_run_leaves_its_cells_empty():
    found = [(run, {"status": "failed", "result": None}) for run, _ in made()]
    assert all(not row["robust_acc"] for row in sens.cifar.table3(found))
    assert all(not row["std_train_acc"] for row in sens.cifar.extremes(found))


def test_table_7_puts_both_attacks_beside_each_other():
    rows = sens.cifar.table7(made() + made("sens/table7-cifar"))
    assert [row["variant"] for row in rows][:2] == ["saturate 1", "original"]
    assert {row["dataset"] for row in rows} == {"CIFAR10"}
    assert rows[1]["robust_acc_with_bound"][0]["value"] == pytest.approx(0.42)
    assert rows[1]["robust_acc_without_bound"][0]["value"] == pytest.approx(0.41)


def test_gamma_1_is_the_original_of_table_3():
    rows = sens.cifar.figure3a(made("sens/fig3a") + made())
    assert [row["gamma"] for row in rows] == [0.6, 0.8, 1.0, 1.2, 1.4]
    original = next(r for r in sens.cifar.measured(made()) if r["variant"] == "original")
    assert rows[2]["robust_acc"] == original["robust_acc"]


# ---- claims


@pytest.mark.parametrize("name", TABLE3)
def test_the_papers_table_satisfies_its_claims_as_the_register_says(name):
    holds, evidence = claims.on_paper(name, "sens_table3")
    assert bool(holds) == (papers.claims()[name].printed == "yes")
    assert evidence


def bent(column, **changes):
    """The paper's table 3 with some cells of a column changed, by level."""
    rows = papers.table("sens_table3")
    for row in rows:
        name = row["variant"].removeprefix("saturate ").replace(".", "_")
        row[column] = changes.get(f"p{name}", row[column])
    return rows


@pytest.mark.parametrize(
    ("name", "rows", "holds"),
    [
        ("08", bent("std_test_acc", p16=92.4), False),  # 95.0 - 2.6
        ("08", bent("std_test_acc", p16=92.6, p1=50.0, p64=50.0), True),
        ("09", bent("robust_acc", p16=73.1), False),  # 29.9
        ("09", bent("pgd_test_acc", p16=79.3), False),  # falls by 6.1
        ("09", bent("pgd_test_acc", p16=79.5), True),
        ("10", bent("robust_acc", p256=78.9), False),  # 1.1
        ("10", bent("robust_acc", p8=10.0), True),
        ("11", bent("robustness_wrt_predictions", p3=46.9), False),
        ("12", bent("robust_acc", pinf=84.3), False),  # 14.9 below
        ("12", bent("robustness_wrt_predictions", pinf=97.9), False),
        ("13", bent("robust_acc", p1_5=41.2), False),
        ("13", bent("robust_acc", p2_25=1.0), True),
        ("14", bent("std_test_acc", p64=85.2), False),  # 4.9
        ("15", bent("robust_acc", p1=90.0), False),
        ("16", bent("std_test_acc", p1=93.4), False),  # -1.6
        ("16", bent("std_test_acc", p1=93.6, p4=10.0), True),
    ],
)
def test_a_bent_table_decides_on_the_right_side_of_the_threshold(name, rows, holds):
    assert bool(claims.PREDICATES[f"sens/claim-{name}"].holds(rows)[0]) == holds


@pytest.mark.parametrize("name", TABLE3)
def test_no_claim_hides_behind_an_empty_cell(name):
    rows = papers.table("sens_table3")
    for row in rows:
        row.update(dict.fromkeys(set(row) - {"variant"}))
    with pytest.raises(Incomplete):
        claims.PREDICATES[name].holds(rows)


def test_a_claim_on_all_levels_waits_for_them_and_is_asked_of_those_there_are():
    found = made()
    predicate = claims.PREDICATES["sens/claim-11"]
    with pytest.raises(Incomplete):
        predicate.holds(claims.means(predicate.readings["all levels"](found)))
    rows = claims.means(predicate.readings["levels measured"](found))
    assert predicate.holds(rows)[1].startswith("6 levels")


def gammas(**changes):
    keys = ("std_test_acc", "pgd_test_acc", "robust_acc")
    rows = [dict(zip(keys, (90.0 + i, 80 - i, 40 + 2 * i), strict=True)) for i in range(3)]
    for key, value in changes.items():
        rows[0][key] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        (gammas(), False),  # robust ranges over 4, PGD clean over 2
        (gammas(robust_acc=38.0, pgd_test_acc=81.5), True),
        (gammas(robust_acc=38.0, pgd_test_acc=81.5, std_test_acc=89.9), False),
    ],
)
def test_gamma_is_judged_by_three_ranges(rows, holds):
    assert claims.PREDICATES["sens/claim-17"].holds(rows)[0] == holds


def test_gamma_may_be_asked_of_the_values_there_are():
    found = made("sens/fig3a") + made()
    found = [
        (run, None if getattr(run.trained.variant, "gamma", 1) in (0.8, 1.2) else record_)
        for run, record_ in found
    ]
    readings = claims.PREDICATES["sens/claim-17"].readings
    assert [row["gamma"] for row in readings["values measured"](found)] == [0.6, 1.0, 1.4]
    with pytest.raises(Incomplete):
        claims.PREDICATES["sens/claim-17"].holds(claims.means(readings["all values"](found)))


def both():
    """Robust accuracies of the paper's tables, with made distances that follow them."""
    tables = {"MNIST": "sens_table2", "CIFAR10": "sens_table3"}
    return [
        {"dataset": name, "variant": r["variant"], "robust_acc": r["robust_acc"]}
        | {"distance": 0.1 * r["robust_acc"] + 3}
        for name, table in tables.items()
        for r in papers.table(table)
    ]


def test_distance_must_predict_robustness_within_both_data_sets():
    predicate = claims.PREDICATES["sens/claim-27"]
    assert predicate.holds(both())[0]
    rows = [
        row | {"distance": -row["distance"]} if row["dataset"] == "MNIST" else row for row in both()
    ]
    holds, evidence = predicate.holds(rows)
    assert not holds
    assert "MNIST r = -1.00, CIFAR10 r = 1.00" in evidence
    with pytest.raises(Incomplete, match="CIFAR10"):
        predicate.holds([row for row in both() if row["dataset"] == "MNIST"])


def test_mnist_and_cifar_are_compared_at_their_originals():
    predicate = claims.PREDICATES["sens/claim-42"]
    assert predicate.holds(both()) == (True, "95.1 against 43.2")
    rows = both()
    next(r for r in rows if r["variant"] == "original")["robust_acc"] = 83.1
    assert not predicate.holds(rows)[0]


def test_rows_of_both_data_sets_are_joined_by_variant():
    grey = [
        (
            run,
            record(
                {"clean_accuracy": share(0.9), "robust_accuracy": share(0.8)}
                | {"robustness_wrt_predictions": share(0.8)}
            ),
        )
        for run in runs.study("sens/table2").at("cpu")
    ]
    distances = [
        (run, record({"distance": float(i), "images": 1}))
        for i, run in enumerate(runs.study("sens/fig5").at("cpu"))
    ]
    rows = judged.distance_and_robustness(distances + grey + made())
    assert {row["dataset"] for row in rows} == {"MNIST", "CIFAR10"}
    assert len(rows) == 9 + 6
    assert all(row["distance"] and row["robust_acc"] for row in rows if row["distance"] != [0.0])
    inf = next(r for r in rows if r["variant"] == "saturate inf")
    by_hand = [
        i
        for i, (run, _) in enumerate(distances)
        if run.data == "cifar10" and getattr(run.variant, "level", 0) == math.inf
    ]
    assert inf["distance"] == [float(by_hand[0])]
