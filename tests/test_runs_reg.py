"""Runs of the regularisation paper: what a record holds, and how rows are read from it."""

import numpy as np
import pytest

from astute import claims, intervals, objectives, records, runs
from astute.claims.reg.curves import regimes
from astute.runs import reg


@pytest.fixture(scope="module")
def found():
    """The smoke run of table 3 at strength 4, measured once."""
    run = runs.study("reg/table3").at("smoke")[0]
    record = runs.measure("reg/table3", "smoke", run, runs.Context())
    assert record["status"] == "ok", record.get("error")
    return [(run, record)]


def test_rows_of_the_tables_agree_with_the_record(found):
    (_, record), (block,) = found[0], reg.blocks(found)
    result = record["result"]
    assert block["strength"] == 4
    assert block["training"] == "PGD"
    assert block["spectral_norm"] == "uncontrolled"
    right = intervals.outcomes(result["clean_accuracy"])
    robust = intervals.outcomes(result["robust_accuracy"])
    assert block["pgd_acc"][0]["value"] == robust[right].mean()
    train, test = result["train"], result["test"]
    assert block["delta_loss"] == [test["loss"]["value"] - train["loss"]["value"]]
    cells = {row["metric"]: row["ar4"] for row in reg.table(found)}
    assert cells["test_loss"] == [test["loss"]]
    assert cells["delta_acc"] == block["delta_acc"]


def test_distributions_count_every_image_once(found):
    result = found[0][1]["result"]
    for split in ("train", "test"):
        n = result[split]["accuracy"]["n"]
        for name in ("margins", "probabilities", "losses"):
            assert sum(result[split][name]["counts"]) == n
        # A margin above 0 is a right answer, a loss above 5 a probability below exp(-5).
        assert result[split]["loss"]["n"] == n


def test_changes_grow_with_the_radius_and_keep_both_readings(found):
    rows = {what: reg.variation(found, what) for what in ("loss", "probability")}
    for what, table in rows.items():
        assert [row["attack_eps_255"] for row in table] == [1, 2, 4]
        means = [row["mean_ar4"][0]["value"] for row in table]
        assert means == sorted(means), what
        assert all(row["std_ar4"][0] == row["mean_ar4"][0]["sd"] for row in table)


def test_every_layer_has_three_readings_of_its_singular_values(found):
    rows = {reading: reg.spreads(found, reading) for reading in ("circular", "reshaped", "exact")}
    names = [row["layer"] for row in rows["circular"]]
    assert (
        names == [row["layer"] for row in rows["exact"]] == [r["layer"] for r in rows["reshaped"]]
    )
    assert names[0] == "conv"
    assert names[-1] == "fc"
    wrapped, exact = (rows[k][0] for k in ("circular", "exact"))
    # Wrap-around and zeros differ at the border of a map alone.
    assert exact["std4"][0] == pytest.approx(wrapped["std4"][0], rel=0.1)
    assert exact["norm4"][0] <= wrapped["norm4"][0] * 1.05


def test_fgsm_starts_at_the_image_and_strength_0_is_natural():
    assert isinstance(reg.cifar.against(0, 3), objectives.Natural)
    one, three = (reg.cifar.against(8, steps).attack for steps in (1, 3))
    assert one.step_size == one.eps == 8 / 255
    assert not one.random_start
    assert three.random_start
    assert three.step_size * 3 == pytest.approx(2.5 * three.eps)


def test_planned_networks_differ_where_their_tables_do():
    planned = {name: runs.study(f"reg/{name}").at("cpu") for name in ("table3", "table6", "table2")}
    assert [run.strength for run in planned["table3"]] == [0, *3 * [4, 8, 16]]
    assert {(run.bound, run.strength) for run in planned["table6"]} == {
        (bound, a) for bound in (1, 3) for a in (4, 8, 16)
    }
    assert {row["training"] for row in reg.blocks([(r, None) for r in planned["table2"]])} == {
        "FGSM"
    }


def test_few_images_are_met_as_often_in_all_and_kept_apart_from_the_tables():
    """As many steps on fewer images; a claim mixes neither these nor clipped and free networks."""
    usual = runs.study("reg/table3").at("cpu")[1].trained
    few = runs.study("reg/few-images").at("cpu")
    for run in few:
        size, recipe = run.trained.train_size, run.trained.recipe
        assert size * recipe.epochs == usual.train_size * usual.recipe.epochs
        assert recipe.ramp_epochs / recipe.epochs == usual.recipe.ramp_epochs / usual.recipe.epochs
    clipped = runs.study("reg/table6").at("cpu")
    found = [(run, None) for run in (*runs.study("reg/table3").at("cpu"), *clipped, *few)]
    for controlled in (False, True):
        chosen = {
            name: rows(found) for name, rows in regimes(reg.blocks, controlled=controlled).items()
        }
        assert [{row["images"] for row in rows} for rows in chosen.values()] == [
            *({5000}, {1000}, {250})
        ]
        bounds = {row["spectral_norm"] for rows in chosen.values() for row in rows}
        assert bounds == ({"uncontrolled", "1", "3"} if controlled else {"uncontrolled"})


def test_the_state_of_a_study_is_a_sentence_with_the_command_for_the_rest(found):
    run, record = found[0]
    assert "all 1 runs" in runs.state("reg/table3", "smoke", found)
    partly = runs.state("reg/table3", "cpu", [(run, record), (run, None)])
    assert "1 of 2 runs" in partly
    assert "astute run reg/table3 --scale cpu" in partly
    failed = record | {"status": "failed", "error": "stuck at chance: loss 2.3"}
    told = runs.state("reg/table3", "cpu", [(run, record), (run, failed)])
    assert told == "reg/table3: 1 of 2 runs measured, 1 failed (stuck at chance)"
    assert "cpu, gpu, paper" in runs.state("reg/table2", "smoke", [])


def test_a_layer_keeps_the_mean_beside_the_spread(found):
    layers = found[0][1]["result"]["layers"]
    for row in reg.spreads(found):
        one = layers[row["layer"]]["circular"]
        assert (row["std4"], row["mean4"]) == ([one["spread"]], [one["mean"]])


def test_the_mode_of_margins_is_not_the_bin_of_all_that_is_beyond(found):
    """The bins at the ends also hold what lies beyond them, however far."""
    run, record = found[0]
    result = record["result"]
    counts = [0] * (len(reg.networks.MARGINS) - 1)
    counts[0], counts[80], counts[-1] = 50, 10, 20
    margins = result["test"]["margins"] | {"counts": counts}
    bent = record | {"result": result | {"test": result["test"] | {"margins": margins}}}
    assert reg.blocks([(run, bent)])[0]["test_mode"] == [reg.networks.MARGINS[80] + 0.125]


def test_a_second_look_counts_among_the_right_and_its_claim_sees_pgd_alone(found):
    """Of ten images eight are right and six survive; one that is wrong as it is does not count."""
    right, left = np.arange(10) < 8, np.arange(10) < 6
    result = {
        "clean_accuracy": intervals.proportion(right),
        "robust_accuracy": intervals.proportion(left),
    }
    record = found[0][1] | {"result": result}
    again = [(run, record) for run in runs.study("reg/second-look").at("cpu")]
    assert [run.trained.seed for run, _ in again] == [0] * 6
    rows = {(row["training"], row["metric"]): row for row in reg.second_look(again)}
    assert {training for training, _ in rows} == {"PGD", "FGSM"}
    for training in ("PGD", "FGSM"):
        assert [rows[training, "pgd_acc"][f"ar{a}"][0]["value"] for a in (4, 8, 16)] == [0.75] * 3
        assert rows[training, "robust_acc"]["ar8"][0]["value"] == 0.6
    predicate = claims.PREDICATES["reg/claim-07"]
    judged = predicate.readings["a stronger attack"]([*found, *again])
    assert {row["training"] for row in judged} == {"PGD"}
    assert not predicate.holds(claims.means(judged))[0]  # level, so not rising


def test_what_failed_has_no_result(found):
    record = found[0][1]
    assert records.result(record) is record["result"]
    assert records.result(record | {"status": "failed", "result": None}) is None
    assert records.result(None) is None
