"""Claims on the papers' own numbers, on tables bent to break them, and on made records."""

import numpy as np
import pytest

from astute import claims, intervals, papers, records, runs, values
from astute.claims import Incomplete
from astute.objectives import Natural

SENS = [f"sens/claim-0{n}" for n in range(1, 8)]
CLOSER = [name for name in claims.PREDICATES if name.startswith("closer/")]
ROW = ("dataset", "architecture", "method", "parameter", "dropout")
LABELS = [row["variant"] for row in papers.table("sens_table2")]
PROVENANCE = {
    "commit": "0" * 40,
    "dirty": False,
    "versions": {},
    "device": "cpu",
    "threads": 1,
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 1,
}
IMAGES = 1000


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Records that may be written, in a folder of their own."""
    monkeypatch.setenv("ASTUTE_FROZEN", "0")
    monkeypatch.setenv("ASTUTE_RECORDS", str(tmp_path))
    monkeypatch.setattr(records.os, "fsync", lambda _: None)  # hundreds of files
    return tmp_path


# ---- on the papers' numbers


@pytest.mark.parametrize("name", SENS)
def test_the_papers_table_satisfies_its_claims_as_the_register_says(name):
    claim = papers.claims()[name]
    (table,) = claim.table
    holds, evidence = claims.on_paper(name, table)
    assert ("yes" if holds else "no") == claim.printed
    assert evidence


@pytest.mark.parametrize("name", [n for n in CLOSER if papers.claims()[n].table])
def test_the_slides_tables_satisfy_their_claims_as_the_register_says(name):
    claim = papers.claims()[name]
    rows = {}
    for table in claim.table:
        for row in papers.table(table):
            rows.setdefault(tuple(map(row.get, ROW)), {"architecture": ""}).update(row)
    holds, evidence = claims.PREDICATES[name].holds(list(rows.values()))
    assert holds == (claim.printed == "yes")  # "mixed": not in every setting
    assert evidence


REG = [n for n in claims.PREDICATES if n.startswith("reg/") and papers.claims()[n].table]
DATA = {
    "reg_table3": "CIFAR10",
    "reg_table4": "CIFAR100",
    "reg_table5": "Tiny-ImageNet",
    "reg_table6": "CIFAR10",
}


def printed_by_reg(name):
    """Rows of every table that a claim is on, each with its data set."""
    return [
        ({"dataset": DATA[table]} if table in DATA else {}) | row
        for table in papers.claims()[name].table
        for row in papers.table(table)
    ]


@pytest.mark.parametrize("name", REG)
def test_the_tables_of_wen_satisfy_their_claims_as_the_register_says(name):
    holds, evidence = claims.PREDICATES[name].holds(printed_by_reg(name))
    assert holds == (papers.claims()[name].printed == "yes")  # "mixed": not in every block
    assert evidence


@pytest.mark.parametrize("name", REG)
def test_a_claim_of_wen_fails_on_tables_turned_round(name):
    rows = [
        row
        | ({"ar4": row["ar16"], "ar16": row["ar4"]} if "ar4" in row else {})
        | (
            {
                f"{part}_ar{a}": row[f"{part}_ar{20 - a}"]
                for part in ("mean", "std")
                for a in (4, 16)
            }
            if "mean_ar4" in row
            else {}
        )
        for row in printed_by_reg(name)
    ]
    paired = ("reg/claim-08", "reg/claim-11", "reg/claim-12", "reg/claim-23", "reg/claim-26")
    if name in paired:  # they compare networks, or cells, of one strength
        assert claims.PREDICATES[name].holds(rows)[0]
    elif rows[0].get("sum_std_difference") is None:
        assert not claims.PREDICATES[name].holds(rows)[0]


def regularised(**changes):
    """Rows of two CIFAR-10 layers and two networks, as the studies make them."""
    usual = {"dataset": "CIFAR10", "training": "PGD", "spectral_norm": "uncontrolled"}
    layer = usual | {"layer": "conv", "kind": "convolution", "std4": 1.2, "std16": 1.0}
    layer |= {"norm4": 9.0, "norm16": 8.0}
    small = layer | {"layer": "block", "std4": 0.9, "std16": 0.95}
    clipped = layer | {"spectral_norm": "1", "norm4": 1.0, "norm16": 1.0005}
    return [layer | changes, layer | {"layer": "other"}, small, clipped]


def test_layers_are_counted_without_clipped_or_dense_ones():
    holds, evidence = claims.PREDICATES["reg/claim-18"].holds(regularised())
    assert holds
    assert evidence == "CIFAR10 2 of 3 layers"
    assert not claims.PREDICATES["reg/claim-18"].holds(regularised(kind="dense"))[0]
    assert claims.PREDICATES["reg/claim-19"].holds(regularised())[0]  # 0.4 against 0.05
    assert not claims.PREDICATES["reg/claim-19"].holds(regularised(std4=0.9))[0]
    assert claims.PREDICATES["reg/claim-21"].holds(regularised())[0]
    with pytest.raises(Incomplete, match="CIFAR-100"):
        claims.PREDICATES["reg/claim-20"].holds(regularised())


def test_clipped_layers_must_meet_their_bound():
    assert claims.PREDICATES["reg/claim-25"].holds(regularised())[0]
    over = regularised()
    over[-1]["norm4"] = 1.1
    assert not claims.PREDICATES["reg/claim-25"].holds(over)[0]
    with pytest.raises(Incomplete, match="spectral control"):
        claims.PREDICATES["reg/claim-25"].holds(regularised()[:3])


def slides(name="closer_mnist", **changes):
    """CNN2's rows of the paper's table with some cells changed: ``AT__test_acc=99``."""
    rows = [row for row in papers.table(name) if row["architecture"] == "CNN2"]
    for where, value in changes.items():
        label, column = where.split("__")
        for row in rows:
            if label in (row["method"], (row["parameter"] or "").replace("=", "")):
                row[column] = value
    return rows


@pytest.mark.parametrize(
    ("name", "rows", "holds"),
    [
        ("03", slides(), True),
        ("03", slides(LLR__test_lipschitz=8.0), False),  # RST .5 has 8.27
        ("04", slides(AT__test_lipschitz=1.0), False),
        ("05", slides(), True),
        ("05", slides(beta3__test_lipschitz=1.36), False),  # no longer strictly
        ("06", slides(), True),
        (
            "06",
            slides(Natural__adv_test_acc=99.9, GR__adv_test_acc=99.8, LLR__adv_test_acc=99.7),
            False,
        ),
        ("07", slides(), False),
        ("07", slides(beta6__adv_test_acc=98.54), True),
        ("08", slides(), False),
        ("08", slides(Natural__train_acc=99.5), True),
        ("10", slides(AT__test_acc=99.54), False),
        ("12", slides(), False),
        ("18", slides(LLR__adv_test_acc=86.0), False),
        ("19", slides(Natural__test_acc=99.7), True),
        ("21", slides(beta6__train_acc=99.9), False),
    ],
)
def test_claims_of_the_slides_turn_with_the_numbers_they_name(name, rows, holds):
    assert claims.PREDICATES[f"closer/claim-{name}"].holds(rows)[0] == holds


def test_a_claim_about_cifar_is_not_judged_on_mnist():
    for name in ("09", "11"):
        with pytest.raises(Incomplete, match="CIFAR-10"):
            claims.PREDICATES[f"closer/claim-{name}"].holds(slides())


def test_a_reading_that_a_claim_does_not_have_is_refused():
    assert claims.readings("sens/claim-01") == [""]
    assert claims.readings("closer/claim-03")[0] == claims.judge("closer/claim-03").reading
    with pytest.raises(ValueError, match="closer/claim-03 has no reading 'uphill'; it has steps"):
        claims.judge("closer/claim-03", reading="uphill")


def printed():
    return papers.table("sens_table2")


def bent(column, **changes):
    """The paper's table with some cells of a column changed."""
    rows = printed()
    for row in rows:
        row[column] = changes.get(row["variant"].replace(" ", "_"), row[column])
    return rows


@pytest.mark.parametrize(
    ("name", "rows", "holds"),
    [
        ("01", bent("std_test_acc", smooth_8=98.0), False),  # range 1.3
        ("01", bent("std_test_acc", smooth_8=98.4), True),  # range 0.9
        ("02", bent("pgd_test_acc", smooth_8=97.0), False),  # range 2.2
        ("02", bent("pgd_test_acc", smooth_8=97.8), True),  # range 1.4
        ("03", bent("robust_acc", smooth_8=96.0), False),
        ("03", bent("robust_acc", smooth_8=85.5), True),  # one swap: -0.976
        ("03", bent("robust_acc", binarized=0.0), True),  # not a smoothing level
        ("04", bent("robust_acc", smooth_8=85.2), False),  # falls by 9.9
        ("04", bent("robust_acc", smooth_8=85.0), True),  # falls by 10.1
        ("05", bent("robustness_wrt_predictions", smooth_5=90.2), False),  # 0.6
        ("05", bent("robustness_wrt_predictions", smooth_5=90.0), True),  # 0.4
        ("06", bent("robust_acc", binarized=95.0), False),  # below the original
        ("06", bent("pgd_test_acc", binarized=99.2), False),  # loses 1.1
        ("06", bent("pgd_test_acc", binarized=99.0), True),  # loses 0.9
        ("07", bent("std_test_acc", smooth_8=95.0), False),  # 15 against 4.3
        ("07", bent("std_test_acc", smooth_8=96.6), True),  # 15 against 2.7
    ],
)
def test_a_bent_table_decides_on_the_right_side_of_the_threshold(name, rows, holds):
    assert bool(claims.PREDICATES[f"sens/claim-{name}"].holds(rows)[0]) == holds


@pytest.mark.parametrize("name", SENS)
def test_no_claim_hides_behind_an_empty_cell(name):
    """Every claim needs each cell that it speaks of."""
    rows = printed()
    for row in rows:
        for column in set(row) - {"variant"}:
            row[column] = None
    with pytest.raises(Incomplete):
        claims.PREDICATES[name].holds(rows)


@pytest.mark.parametrize("name", claims.PREDICATES)
def test_every_predicate_judges_a_claim_of_the_register_by_a_study_that_exists(name):
    assert name in papers.claims()
    assert set(claims.PREDICATES[name].studies) <= set(runs.studies())


def test_claims_are_named_in_the_registers_order():
    assert claims.names() == list(papers.claims())


def test_an_unknown_claim_is_refused():
    with pytest.raises(ValueError, match="no claim 'sens/claim-99'; `astute claims` lists all"):
        claims.judge("sens/claim-99")


# ---- on made records


def write(accuracy, seeds=(0,), leave_out=(), failed=()):
    """Records of sens/table2 whose cells have the given accuracies.

    ``accuracy(label, key) -> fraction``; image i is right where its difficulty, the same in every
    cell, is below the accuracy: the harder cell fails on a superset of images.
    """
    for run in runs.study("sens/table2").at("cpu"):
        setting = run.trained
        label, natural = setting.variant.label, isinstance(setting.objective, Natural)
        if setting.seed not in seeds or label in leave_out:
            continue
        keys = {"clean_accuracy": "std_test_acc" if natural else "pgd_test_acc"}
        keys |= {"robust_accuracy": "robust_acc"}
        keys |= {"robustness_wrt_predictions": "robustness_wrt_predictions"}
        result = {
            key: intervals.proportion(np.arange(IMAGES) < round(IMAGES * accuracy(label, column)))
            for key, column in keys.items()
        }
        record = {
            "schema": 1,
            "study": "sens/table2",
            "scale": "cpu",
            "config": values.config(run),
            "status": "ok",
            "result": result | {"training": []},
            "provenance": PROVENANCE,
        }
        if label in failed:
            record |= {"status": "failed", "result": None, "error": "stuck at chance"}
        records.write(record)


def paper(label, column):
    """The paper's own accuracies."""
    return next(r[column] for r in printed() if r["variant"] == label) / 100


@pytest.mark.parametrize("name", [n for n in claims.PREDICATES if n in SENS])
def test_without_records_nothing_is_measured_and_the_remedy_is_named(name):
    judged = claims.judge(name)
    assert judged.verdict == "not measured"
    assert judged.evidence.endswith("missing: run `astute run sens/table2 --scale cpu`")
    assert judged.support is None


def test_smoke_runs_decide_nothing():
    assert claims.judge("sens/claim-01", "smoke").verdict == "not measured"


def test_records_that_equal_the_paper_reproduce_it():
    """Differences far from their thresholds: no draw of images can turn them."""
    write(paper, seeds=(0, 1, 2))
    for name in ("sens/claim-03", "sens/claim-04", "sens/claim-07"):
        judged = claims.judge(name)
        assert judged.printed == "yes"
        assert judged.verdict == "reproduced", judged
        assert judged.support >= 0.95
    assert claims.judge("sens/claim-04").evidence == "falls by 12.0"


def test_the_other_way_round_is_not_reproduced():
    flat = {"robust_acc": 0.9, "robustness_wrt_predictions": 0.99}
    write(lambda label, column: flat.get(column, 0.9 if label == "binarized" else 0.99))
    assert claims.judge("sens/claim-01").verdict == "not reproduced"  # range 9
    assert claims.judge("sens/claim-04").verdict == "not reproduced"  # falls by 0
    assert claims.judge("sens/claim-05").verdict == "not reproduced"  # 9 apart
    assert claims.judge("sens/claim-04").support <= 0.05


@pytest.mark.parametrize("fall", [0.099, 0.101])
def test_a_near_tie_is_undecided_on_either_side(fall):
    write(lambda label, column: 0.9 - (fall if label == "smooth 8" else 0))
    judged = claims.judge("sens/claim-04")
    assert judged.evidence in ("falls by 9.9", "falls by 10.1")
    assert judged.verdict == "undecided"
    assert 0.05 < judged.support < 0.95


def test_images_are_drawn_in_pairs():
    """By 10.5 it falls on the same images, give or take 1; independent draws would say 2.

    The difference of two paired cells is a share of images, whose draws vary as
    sqrt(.105 * .895 / 1000) = 0.97 per cent; unpaired they would as sqrt(.09 + .16) = 1.6.
    """
    write(lambda label, column: 0.9 - (0.105 if label == "smooth 8" else 0))
    rows = runs.sens.table2(runs.load("sens/table2", "cpu"))
    falls = [
        claims.cell(draw, "robust_acc", variant="original")
        - claims.cell(draw, "robust_acc", variant="smooth 8")
        for draw in claims.draws(rows, count=400)
    ]
    assert np.mean(falls) == pytest.approx(10.5, abs=0.3)
    assert np.std(falls) == pytest.approx(0.97, rel=0.15)


def test_cells_that_agree_on_every_image_agree_in_every_draw():
    write(lambda label, column: 0.7)
    rows = runs.sens.table2(runs.load("sens/table2", "cpu"))
    for draw in claims.draws(rows, count=20):
        assert len({row["robust_acc"] for row in draw}) == 1


def test_seeds_are_drawn_too():
    """One image in every cell: only the choice of seeds is left to vary."""
    right, wrong = intervals.proportion([True]), intervals.proportion([False])
    rows = [{"variant": "original", "robust_acc": [right, wrong]}]
    seen = {draw[0]["robust_acc"] for draw in claims.draws(rows, count=50)}
    assert seen == {0, 50, 100}


def test_draws_are_the_same_every_time():
    write(paper)
    assert claims.judge("sens/claim-07") == claims.judge("sens/claim-07")


def test_a_single_number_is_not_drawn_and_several_are_seeds():
    rows = [{"variant": "original", "volume": [-12.5]}]
    assert list(claims.draws(rows)) == []
    rows = [{"variant": "original", "volume": [-12.5, -12.7]}]
    assert claims.means(rows) == [{"variant": "original", "volume": pytest.approx(-12.6)}]
    seen = {round(draw[0]["volume"], 6) for draw in claims.draws(rows, count=50)}
    assert seen == {-12.7, -12.6, -12.5}


def test_means_are_over_seeds_and_in_per_cent():
    seeds = [intervals.proportion(np.arange(10) < k) for k in (6, 8)]
    rows = claims.means([{"variant": "original", "robust_acc": seeds, "std_test_acc": []}])
    assert rows == [{"variant": "original", "robust_acc": pytest.approx(70), "std_test_acc": None}]


@pytest.mark.parametrize("how", ["leave_out", "failed"])
def test_a_cell_without_a_result_leaves_its_claims_open(how):
    write(paper, **{how: ["smooth 8"]})
    judged = claims.judge("sens/claim-04")
    assert judged.verdict == "not measured"
    assert "robust_acc of smooth 8" in judged.evidence
    assert claims.judge("sens/claim-06").support is not None  # does not speak of smooth 8


def test_a_judgement_is_a_plain_row():
    write(paper)
    row = claims.judge("sens/claim-04").row()
    assert set(row) == {
        *("id", "scale", "predicate", "printed", "verdict", "evidence", "support", "reading")
    }
    assert row["verdict"] in claims.VERDICTS


def test_a_damaged_record_is_not_judged_over(folder):
    write(paper)
    path = sorted(folder.rglob("*.json"))[0]
    path.write_text(path.read_text()[:-5])
    with pytest.raises(records.RecordError, match="delete it and run again"):
        claims.judge("sens/claim-04")


@pytest.mark.parametrize("name", ["sens/claim-33", "sens/claim-34"])
def test_widths_on_cifar_hold_as_printed_and_are_beyond_two_cores(name):
    assert claims.on_paper(name, "sens_table5")[0]
    rows = [
        row | ({"train_w4": 0.0, "test_w4": 99.0} if row["metric"] == "robust_accuracy" else {})
        for row in papers.table("sens_table5")
    ]
    assert not claims.PREDICATES[name].holds(rows)[0]
    judged = claims.judge(name, "cpu")
    assert judged.verdict == "not measured"
    assert judged.evidence == "width 4 or 1 of 14 of 14 levels: not at this scale"


def test_no_claim_has_two_predicates():
    with pytest.raises(ValueError, match="sens/claim-33 has a predicate already"):
        claims.claim("sens/claim-33", (), list)(lambda rows: (True, ""))


def test_seeds_may_have_unequally_many_images():
    seeds = [intervals.proportion([True] * k + [False] * (n - k)) for k, n in ((3, 4), (5, 10))]
    drawn = [row["a"] for (row,) in claims.draws([{"a": seeds}], count=4000)]
    assert np.mean(drawn) == pytest.approx(100 * (0.75 + 0.5) / 2, abs=1)
    assert len(set(drawn)) > 20
