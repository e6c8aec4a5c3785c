"""Figure 1, table 1 and shrinkage or masking: rows of made records, and runs made small."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from astute import attacks, claims, intervals, norms, papers, pruning, runs, scores
from astute.runs import idio

RIGHT = [True, True, True, False]
FOOLED = [True, True, False, False]


def result(clean=RIGHT, adv=(False, True, True, False)):
    """A record's result of figure 1 on four images: two fooled, one not, one wrong."""
    return {
        "right": intervals.proportion(RIGHT),
        "fooled": intervals.proportion(FOOLED),
        "linf": intervals.mean([0.1, 0.3, 0.0, 0.0]),
        "versions": [
            {
                "method": "M2",
                "p": 5,
                "clean_accuracy": intervals.proportion(clean),
                "adversarial_accuracy": intervals.proportion(adv),
                "scaled_accuracy": [0.75, 0.25],
            }
        ],
    }


def test_three_readings_of_images_beyond_the_bound():
    made = result(clean=[True, False, True, False])
    (version,) = made["versions"]
    bounds = (0.0, 0.1, 0.3)
    # The image at 0.3 is wrong when clean and right as an adversarial; the third has none.
    assert idio.rows.bounded(made, version, bounds, "a") == [0.5, 0.25, 0.5]
    assert idio.rows.bounded(made, version, bounds, "c") == [0.0, 0.0, pytest.approx(1 / 3)]
    assert idio.rows.bounded(made, version, bounds, "b") == [0.75, 0.25]
    made["right"] = made["fooled"] = intervals.proportion([True] * 4)
    made["linf"] = intervals.mean([0.1] * 4)
    assert math.isnan(idio.rows.bounded(made, version, [0.0], "c")[0])


def test_rows_of_figure_1_can_leave_out_images_without_an_adversarial():
    run = idio.attacks.figure1("cpu")[0]
    for reached, expected in ((False, 2 / 4), (True, 1 / 3)):
        (row,) = idio.rows.curves([(run, {"status": "ok", "result": result()})], reached=reached)
        assert (row["data"], row["attack"], row["method"], row["p"]) == ("MNIST", "FGSM", "M2", 5)
        assert row["adv"][0]["value"] == pytest.approx(expected)
    missing = idio.rows.curves([(run, None)])
    assert len(missing) == len(run.methods) * len(run.ps)
    assert not any(row["clean"] for row in missing)


def test_attacks_on_unequally_many_images_are_compared_on_those_that_all_saw():
    few, many = (replace(idio.attacks.figure1("cpu")[k], test_size=n) for k, n in ((3, 2), (0, 4)))
    found = [(run, {"status": "ok", "result": result()}) for run in (many, few)]
    names = ("FGSM", "C&W")
    for same, expected in ((False, 2 / 4), (True, 1 / 2)):
        row, _ = idio.rows.curves(found, attacks=names, same=same)
        assert row["adv"][0]["n"] == (2 if same else 4)
        assert row["adv"][0]["value"] == pytest.approx(expected)
    row, _ = idio.rows.curves(found, attacks=names, same=True, reached=True)
    assert row["adv"][0]["n"] == 2  # both have an adversarial


def version(method, p, distance, fooled):
    bits = intervals.proportion
    return {
        "method": method,
        "p": p,
        "right": bits([True] * len(fooled)),
        "fooled": bits(fooled),
        "l2": intervals.mean(distance),
    }


def table_1(change=0.0):
    """Found records of table 1: every changed network needs ``change`` more on its first image."""
    found = []
    for run in idio.attacks.table1("cpu"):
        versions = [version("trained", 0, [1.0, 2.0], [True, True])]
        versions += [
            version(m.label, p, [1.0 + change, 2.0], [True, True])
            for m in run.methods
            for p in run.ps
        ]
        found.append((run, {"status": "ok", "result": {"largest": 28.0, "versions": versions}}))
    return found


def test_changes_of_table_1_are_paired_over_images_and_shaped_as_the_papers():
    rows = idio.rows.changes(table_1(0.5))
    printed = papers.table("idio_table1")
    assert [(r["dataset"], r["method"]) for r in rows] == [
        (r["dataset"], r["method"]) for r in printed
    ]
    assert all(set(row) == set(printed[0]) for row in rows)
    (cell,) = rows[0]["delta_p3"]
    assert intervals.numbers(cell).tolist() == [1.25, 0.0]  # 1.5 squared less 1
    assert rows[0]["score_p0"][0]["value"] == 2.5
    (area,) = idio.rows.changes(table_1(0.5), score="area")[0]["delta_p3"]
    assert area["value"] == pytest.approx(0.25)


def test_attacks_are_compared_on_the_images_that_both_saw():
    cell = next(c for c in idio.rows.anew(table_1(0.5)) if c["p"] == 5)
    one = idio.rows.first(cell, 1)
    assert one["found"].distance.tolist() == [1.5]
    assert one["base"].distance.tolist() == [1.0]
    assert (one["found"].right.tolist(), one["found"].fooled.tolist()) == ([True], [True])
    assert len(cell["found"].distance) == 2


def test_attacks_as_the_library_had_them_in_2019_are_called_so():
    names = [idio.attacks.label(run.attack) for run in idio.attacks.figure1("cpu")[:5]]
    assert names == ["FGSM", "DeepFool 2019", "DeepFool", "C&W", "C&W 2019"]
    assert {idio.attacks.label(run.attack) for run in idio.attacks.figure1("smoke")} == {
        "FGSM",
        "DeepFool",
        "C&W",
    }


def test_a_missing_attack_leaves_the_cells_of_its_data_set_empty():
    found = [(run, rec if k else None) for k, (run, rec) in enumerate(table_1())]
    mnist, *_, cifar = idio.rows.changes(found)
    assert mnist["delta_p1"] == mnist["score_p0"] == []
    assert cifar["delta_p1"]
    assert idio.rows.changes(found, attacks=("C&W",))[0]["delta_p1"]


@pytest.mark.parametrize("name", [f"idio/claim-{k:02d}" for k in range(6, 12)])
def test_the_papers_table_1_satisfies_its_claims_as_the_register_says(name):
    claim = papers.claims()[name]
    holds, evidence = claims.on_paper(name, *claim.table)
    assert ("yes" if holds else "no") == claim.printed
    assert evidence


@pytest.mark.parametrize(
    ("name", "row", "column", "value", "holds"),
    [
        ("06", 3, "delta_p1", -1.0, True),  # 29 of 45
        ("07", 6, "delta_p1", 500.0, True),
        ("08", 6, "delta_p5", 29_400.0, False),
        ("09", 1, "delta_p2", 0.1, False),
        ("10", 0, "delta_p5", 0.9, True),
        ("11", 5, "delta_p3", -5000.0, False),
    ],
)
def test_claims_on_table_1_turn_with_the_numbers_they_name(name, row, column, value, holds):
    rows = papers.table("idio_table1")
    rows[row][column] = value
    assert bool(claims.PREDICATES[f"idio/claim-{name}"].holds(rows)[0]) == holds


def figure_1(**gains):
    """Rows of figure 1 in per cent: per attack the gain that p = 50 brings, and its price."""
    rows = []
    for data in ("MNIST", "Fashion-MNIST", "CIFAR-10"):
        for attack in idio.rows.FOOLBOX:
            gain, price = gains.get(attack.split()[0].replace("&", ""), (30, 1))
            gain = gains.get(data.replace("-", ""), gain) if attack.startswith("Deep") else gain
            for method in (*idio.rows.METHODS, "noise like M1", "noise like M2"):
                for p, clean, adv in ((0, 90, 10), (50, 90 - price, 10 + gain), (99, 20, 15)):
                    rows.append({"data": data, "attack": attack, "method": method} | {"p": p})
                    rows[-1] |= {"clean": clean, "adv": adv}
    return rows


@pytest.mark.parametrize(
    ("name", "rows", "holds"),
    [
        ("01", figure_1(), True),
        ("01", figure_1(CW=(-1, 1)), True),  # p = 99 still gains 5
        ("02", figure_1(), True),
        ("02", figure_1(CW=(0, 1)), False),  # p = 99 is the peak
        ("03", figure_1(), True),
        ("03", figure_1(FGSM=(30, 3), DeepFool=(19, 1), CW=(30, 3)), False),
        ("04", figure_1(CW=(31, 1)), True),
        ("04", figure_1(FGSM=(31, 1)), False),
        ("05", figure_1(), False),
        ("05", figure_1(MNIST=1, FashionMNIST=1), False),  # p = 99 gains 5 there
    ],
)
def test_claims_on_figure_1_turn_with_the_numbers_they_name(name, rows, holds):
    assert bool(claims.PREDICATES[f"idio/claim-{name}"].holds(rows)[0]) == holds


def test_deepfool_of_2019_ends_on_the_border_where_the_box_cuts_its_steps():
    """One pixel cannot rise, so every step goes a part of the way that is left: none is last."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
    model[1].weight.data = torch.diag(torch.tensor([1.0, 1.5]))
    x, y = torch.ones(1, 1, 1, 2), torch.tensor([1])
    stuck = attacks.DeepFool.foolbox1()(model, x, y)
    published = attacks.DeepFool.foolbox3(norm="l2")(model, x, y)
    assert torch.equal(stuck, x)  # nothing found, so the image itself
    assert attacks.fooled(model, published, y)
    # The nearest adversarial in the box lowers the second pixel to 2/3.
    assert norms.size(published - x, "l2").item() == pytest.approx(1 / 3, rel=0.05)


def test_a_changed_network_is_attacked_anew_and_the_trained_one_once():
    (run, *_) = idio.attacks.table1("smoke")
    run = replace(run, ps=(0, 50), test_size=12, methods=run.methods[1:2])
    found = run.measure(runs.Context())["versions"]
    assert [(v["method"], v["p"]) for v in found] == [("trained", 0), ("M2", 0), ("M2", 50)]
    assert intervals.numbers(found[0]["l2"]).tolist() == intervals.numbers(found[1]["l2"]).tolist()
    assert (intervals.numbers(found[0]["l2"])[~intervals.outcomes(found[0]["fooled"])] == 0).all()


def test_networks_that_only_lack_silent_units_are_not_attacked_again(monkeypatch):
    (run, *_) = idio.attacks.table1("smoke")
    few = {"ps": (1, 60), "test_size": 8, "methods": idio.attacks.TABLE[:3]}
    attack = attacks.CarliniWagner.foolbox1(searches=3, steps=20, step_size=0.05)
    run, attacked = replace(run, **few, attack=attack), []
    whole = run._attacked.__func__

    def count(self, model, x, y):
        attacked.append(model)
        return whole(self, model, x, y)

    monkeypatch.setattr(idio.attacks.Anew, "_attacked", count)
    found = run.measure(runs.Context())["versions"]
    assert 3 <= len(attacked) < len(found) == 7
    monkeypatch.setattr(idio.attacks, "_lacks_unused", lambda *given: False)
    attacked.clear()
    assert run.measure(runs.Context())["versions"] == found
    assert len(attacked) == 7


def test_logits_a_thousand_times_larger_fool_a_weak_attack_and_no_strong_one():
    (run,) = idio.attacks.masking("smoke")
    scaled = pruning.Scaled(p=0, layer="fc2")
    run = replace(run, families=(scaled,), ps=(0, 75), test_size=40, strong_size=40)
    trained, larger, smaller = run.measure(runs.Context())["versions"]
    assert larger["weak"]["value"] > trained["weak"]["value"] + 0.3
    assert larger["strong"]["value"] <= trained["strong"]["value"] + 0.05
    assert smaller["p"] == 75  # no accuracy lost
    # DeepFool's distances stay; FGSM's direction weighs classes by softmax, which does not.
    for near, far in zip(trained["nearest"][1:], smaller["nearest"][1:], strict=True):
        np.testing.assert_allclose(intervals.numbers(near), intervals.numbers(far), atol=0.02)


def test_the_old_records_of_figure_1_keep_their_rows():
    assert idio.fig1([(idio.attacks.figure1("cpu")[0], None)]) == []
    assert len(idio.STUDIES[0].at("cpu")) == 6 + 15
    assert scores.CAP < 1
