"""The papers' tables add up, the registers are whole, and damage is refused by name."""

import hashlib
import math
from collections import Counter

import pytest

from astute import papers

SHAPES = {  # rows, columns
    "closer_dropout": (20, 9),
    "closer_generalization": (40, 9),
    "closer_lipschitz": (40, 8),
    "closer_mnist": (20, 10),
    "closer_separation": (4, 4),
    "idio_appendix_table1": (10, 8),
    "idio_table1": (9, 8),
    "reference_alexnet_imagenet_c": (15, 3),
    "reg_b2_prose": (4, 4),
    "reg_table1": (6, 8),
    "reg_table2": (8, 5),
    "reg_table3": (14, 5),
    "reg_table4": (14, 5),
    "reg_table5": (7, 6),
    "reg_table6": (28, 5),
    "sens_prose": (17, 4),
    "sens_table1": (3, 7),
    "sens_table2": (9, 5),
    "sens_table3": (14, 5),
    "sens_table4": (27, 15),
    "sens_table5": (42, 9),
    "sens_table6": (12, 6),
    "sens_table7": (12, 4),
}
#: SHA-256 of all tables in order of name. Correcting a transcription changes it: see doubts.yml.
DIGEST = "86886c43109b9d0d59592942a6e313c3e3e87e3076ed6cfae2a293c47422abf9"
TINY = 1e-6  # numbers are printed with at most four decimals


def by(name, *keys):
    """{key cells: row} of a table whose rows these columns tell apart."""
    rows = papers.table(name)
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


def accuracies(name):
    """((column, value), ...) of a table that are per cent of some images."""
    for row in papers.table(name):
        for column, value in row.items():
            if value is None or isinstance(value, str):
                continue
            of_row = str(row.get("metric", "")).endswith(("acc", "accuracy"))
            if (of_row and column != "spectral_norm") or "acc" in column or "wrt" in column:
                yield column, value


def same(ours, theirs, columns):
    assert {c: ours[c] for c in columns} == {c: theirs[c] for c in columns}


# Tables


def test_there_are_these_tables_with_these_shapes():
    shapes = {n: (len(t := papers.table(n)), len(t[0])) for n in papers.table_names()}
    assert shapes == SHAPES


def test_no_printed_number_was_changed():
    digest = hashlib.sha256()
    for name in papers.table_names():
        text = (papers.FOLDER / "tables" / f"{name}.csv").read_text(encoding="utf-8")
        digest.update(f"{name}\n{text}".encode())
    assert digest.hexdigest() == DIGEST


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"reference_alexnet_imagenet_c"}))
def test_accuracies_are_per_cent(name):
    top = 1 if name == "idio_appendix_table1" else 100
    for column, value in accuracies(name):
        low = -top if "delta" in column or "coordinate" in column else 0
        assert low <= value <= top, (column, value)


def test_most_tables_hold_accuracies():
    counts = {name: sum(1 for _ in accuracies(name)) for name in SHAPES}
    assert counts["sens_table4"] == 27 * 12
    assert counts["reg_table6"] == 4 * 4 * 3
    assert counts["closer_lipschitz"] == 40 * 3


def test_numbers_are_floats_gaps_none_and_labels_text():
    rows = papers.table("reg_table6")
    assert rows[0] == {"spectral_norm": 1.0, "metric": "train_acc"} | dict(
        zip(("ar4", "ar8", "ar16"), (96.91, 94.38, 90.58), strict=True)
    )
    assert rows[-1]["spectral_norm"] == "uncontrolled"
    empty = [
        (row["dataset"], row["method"], row["dropout"], column)
        for row in papers.table("closer_dropout")
        for column, value in row.items()
        if value is None and column != "parameter"
    ]
    assert empty == [("SVHN", "Natural", "True", "gap"), ("SVHN", "AT", "True", "gap")]  # d01


def test_a_table_is_the_readers_own_copy():
    papers.table("sens_table2")[0]["robust_acc"] = 0.0
    assert papers.table("sens_table2")[0]["robust_acc"] == 98.1


def test_reg_differences_follow_from_their_terms_but_for_three_off_by_a_thousandth():
    off = {}
    for number in (2, 3, 4, 5, 6):
        first = next(iter(papers.table(f"reg_table{number}")[0]))
        rows = by(f"reg_table{number}", first, "metric")
        blocks = {label for label, _ in rows}
        for label in blocks:
            for unit, sign in (("acc", 1), ("loss", -1)):
                if (label, f"delta_{unit}") not in rows:
                    continue
                terms = [rows[label, f"{kind}_{unit}"] for kind in ("train", "test", "delta")]
                for column in (c for c in terms[0] if c.startswith("ar")):
                    train, test, delta = (term[column] for term in terms)
                    error = delta - sign * (train - test)
                    if abs(error) > TINY:
                        off[number, label, column, unit] = round(error, 6)
    assert off == {  # d28
        (4, "ResNet-110", "ar8", "loss"): -0.001,
        (6, 1.0, "ar16", "loss"): 0.001,
        (6, 5.0, "ar4", "loss"): 0.001,
    }


def test_closer_gap_is_train_minus_test_but_for_five_off_by_a_hundredth():
    keys = "dataset", "architecture", "method", "parameter"
    off = {}
    for name in ("closer_generalization", "closer_mnist"):
        for key, row in by(name, *keys).items():
            error = row["gap"] - (row["train_acc"] - row["test_acc"])
            if abs(error) > TINY:
                off[key] = round(error, 6)
    assert len(off) == 5  # d35
    assert {key[0] for key in off} == {"Restricted ImageNet"}
    assert {abs(error) for error in off.values()} == {0.01}


def test_closer_tables_repeat_each_other():
    keys = "dataset", "architecture", "method", "parameter"
    lipschitz, gaps, mnist = (
        by(f"closer_{name}", *keys) for name in ("lipschitz", "generalization", "mnist")
    )
    assert lipschitz.keys() == gaps.keys()
    accuracy = "train_acc", "test_acc", "adv_test_acc"
    for key, row in lipschitz.items():
        same(row, gaps[key], accuracy)
    assert mnist.keys() == {key for key in gaps if key[0] == "MNIST"}
    for key, row in mnist.items():
        same(row, lipschitz[key], (*accuracy, "test_lipschitz"))
        same(row, gaps[key], (*accuracy, "gap", "adv_gap"))
    without = [
        row
        for row in papers.table("closer_dropout")
        if row["dropout"] == "False" and row["dataset"] == "CIFAR-10"
    ]
    assert len(without) == 5
    for row in without:
        key = "CIFAR-10", "WRN-40-10", row["method"], row["parameter"]
        same(row, lipschitz[key], ("test_acc", "adv_test_acc", "test_lipschitz"))
        same(row, gaps[key], ("gap", "adv_gap"))


def test_closer_separations_are_whole_grey_levels_and_more_than_twice_the_radius():
    for row in papers.table("closer_separation"):
        for column in ("min_train_train_separation", "min_test_train_separation"):
            levels = row[column] * 255
            assert abs(levels - round(levels)) <= 0.0005 * 255
            assert row[column] > 2 * row["eps"]


@pytest.mark.parametrize(
    ("wide", "narrow", "width"),
    [("sens_table4", "sens_table2", "1"), ("sens_table5", "sens_table3", "4")],
)
def test_the_default_width_repeats_the_table_of_variants(wide, narrow, width):
    rows = by(wide, "training", "metric", "variant")
    variants = by(narrow, "variant")
    assert {key[2] for key in rows} == {key[0] for key in variants}
    for (variant,), row in variants.items():
        column = f"test_w{width}"
        assert rows["standard", "accuracy", variant][column] == row["std_test_acc"]
        assert rows["pgd", "accuracy", variant][column] == row["pgd_test_acc"]
        assert rows["pgd", "robust_accuracy", variant][column] == row["robust_acc"]


def test_attacks_with_the_box_and_smoothed_sets_repeat_the_tables_of_variants():
    robust = {
        (data, row["variant"]): row["robust_acc"]
        for data, name in (("MNIST", "sens_table2"), ("CIFAR10", "sens_table3"))
        for row in papers.table(name)
    }
    for row in papers.table("sens_table7"):
        assert row["robust_acc_with_bound"] == robust[row["dataset"], row["variant"]]
    for row in papers.table("sens_table1"):
        assert row["robust_acc_smoothed"] == robust["MNIST", f"smooth {row['smooth_level']:g}"]


@pytest.mark.parametrize("name", ["sens_table2", "sens_table3"])
def test_a_robust_answer_is_a_right_answer(name):
    for row in papers.table(name):
        assert row["robust_acc"] <= row["pgd_test_acc"]
        assert row["robust_acc"] <= row["robustness_wrt_predictions"]


def test_robust_accuracy_is_below_accuracy_at_every_width():
    for name in ("sens_table4", "sens_table5"):
        rows = by(name, "training", "metric", "variant")
        for (training, metric, variant), row in rows.items():
            if metric == "robust_accuracy":
                clean = rows[training, "accuracy", variant]
                assert all(row[c] <= clean[c] for c in row if c.startswith(("train_w", "test_w")))


def test_limits_of_the_volumes_are_those_of_a_corner_and_of_the_inside():
    pixels = {"MNIST": 28 * 28, "CIFAR10": 3 * 32 * 32}
    for row in papers.table("sens_table6"):
        d, eps = pixels[row["dataset"]], row["eps"]
        assert row["valid_low"] == math.trunc(d * math.log2(eps))
        assert row["valid_high"] == math.trunc(d * math.log2(2 * eps))
        assert row["valid_low"] <= row["avg_log2_volume"] <= row["valid_high"]
    volume = {
        key: row["avg_log2_volume"] for key, row in by("sens_table6", "variant", "eps").items()
    }
    assert volume["binarized", 0.3] == -1361
    assert volume["saturate inf", 8 / 255] == -15342


def test_sens_prose_agrees_with_the_tables_but_for_d16_and_d17():
    prose = {row["id"].removeprefix("sens/"): row["value"] for row in papers.table("sens_prose")}
    cifar = by("sens_table3", "variant")
    original, level16, level1 = (cifar[v,] for v in ("original", "saturate 16", "saturate 1"))
    assert prose["p6"] == original["robust_acc"]
    assert prose["p8"] == original["pgd_test_acc"]
    assert prose["p10"] == level1["robust_acc"]
    assert (prose["p7"], level16["robust_acc"]) == (79.7, 79.4)  # d17
    assert (prose["p9"], level16["pgd_test_acc"]) == (80.0, 79.9)
    volume = {row["variant"]: row for row in papers.table("sens_table6") if row["eps"] < 0.1}
    assert prose["p13"] == volume["original"]["avg_log2_volume"]
    assert prose["p14"] == volume["saturate inf"]["avg_log2_volume"]
    assert volume["original"]["valid_high"] - prose["p13"] == prose["p17"]
    assert prose["p13"] - prose["p14"] == 2988  # d16: the paper prints 2990 from -12352
    assert prose["p16"] - prose["p14"] == prose["p15"] == 2990


def test_reg_without_spectral_control_is_resnet56():
    free = {
        m: row
        for (s, m), row in by("reg_table6", "spectral_norm", "metric").items()
        if s == "uncontrolled"
    }
    net = {
        m: row for (n, m), row in by("reg_table3", "model", "metric").items() if n == "ResNet-56"
    }
    assert free.keys() == net.keys()
    for metric, row in free.items():
        same(row, net[metric], ("ar4", "ar8", "ar16"))


def test_reg_sums_and_means_count_55_layers_except_in_one_group():
    counts = {}
    for (data, group), row in by("reg_b2_prose", "dataset", "group").items():
        total, mean = row["sum_std_difference"], row["mean_std_difference"]
        half = 0.000005 if mean == 0.09618 else 0.00005  # of the last printed digit
        counts[data, group] = [n for n in range(1, 57) if abs(total / n - mean) <= half]
    assert counts["CIFAR10", "std4_gt_std16"] == [41]
    assert counts["CIFAR10", "std16_gt_std4"] == [14]
    assert counts["CIFAR100", "std4_gt_std16"] == [39]
    assert counts["CIFAR100", "std16_gt_std4"] == []  # d27: the sum repeats CIFAR-10's


def test_idio_scores_start_from_one_base_a_data_set():
    rows = by("idio_table1", "dataset", "method")
    assert Counter(data for data, _ in rows) == {"MNIST": 3, "Fashion-MNIST": 3, "CIFAR-10": 3}
    assert len({(data, row["score_p0"]) for (data, _), row in rows.items()}) == 3
    changes = [row[f"delta_p{p}"] for row in rows.values() for p in range(1, 6)]
    assert sum(change > 0 for change in changes) == 30
    assert changes.count(29531.7244) == 4  # d12


def test_idio_alexnet_differs_from_the_reference_most_of_all_for_blur():
    groups = {}
    for row in papers.table("reference_alexnet_imagenet_c"):
        groups.setdefault(row["category"], []).append(1 - row["alexnet_mean_error"])
    printed = by("idio_appendix_table1", "model")["AlexNet",]
    gap = {name: printed[f"acc_{name}"] - sum(g) / len(g) for name, g in groups.items()}
    assert max(gap, key=lambda name: abs(gap[name])) == "blur"  # d10
    assert gap["blur"] == pytest.approx(0.3187 - 0.1924, abs=1e-4)


# Registers


def test_there_are_113_claims_and_156_statements_in_the_order_of_the_papers():
    claims, statements = papers.claims(), papers.statements()
    assert Counter(claim.paper for claim in claims.values()) == dict(
        idio=20, sens=42, reg=30, closer=21
    )
    assert list(claims) == [
        f"{paper}/claim-{n:02d}"
        for paper, count in (("idio", 20), ("sens", 42), ("reg", 30), ("closer", 21))
        for n in range(1, count + 1)
    ]
    assert Counter(s.paper for s in statements.values()) == dict(
        idio=34, sens=50, reg=52, closer=20
    )
    order = [s.paper for s in statements.values()]
    assert order == sorted(order, key=list(papers.PAPERS).index)
    assert len({(s.paper, s.statement) for s in statements.values()}) == 156
    assert list(papers.doubts()) == [f"d{n:02d}" for n in range(1, 40)]


def test_a_claim_names_tables_and_a_study_of_its_paper():
    for claim in papers.claims().values():
        assert set(claim.table) <= set(papers.table_names()), claim.id
        for name in claim.table:
            assert name.startswith(f"{claim.paper}_"), claim.id
        assert claim.study.startswith(f"{claim.paper}/"), claim.id


def test_what_is_printed_has_a_table_and_what_is_not_has_none():
    for claim in papers.claims().values():
        in_words = claim.id == "sens/claim-26"  # an exception the paper states without numbers
        decided = claim.printed in ("yes", "no", "mixed") and not in_words
        assert bool(claim.table) == decided, claim.id


def test_doubts_that_a_claim_points_to_exist():
    notes = " ".join(claim.note for claim in papers.claims().values())
    named = {word.strip(";,.") for word in notes.split() if word[0] == "d" and word[1:3].isdigit()}
    assert named == {"d01", "d08", "d26"}
    assert named <= papers.doubts().keys()


def test_registers_and_tables_are_the_readers_own_copies():
    papers.claims().clear()
    assert len(papers.claims()) == 113


def test_the_four_papers_have_distinct_bibliography_keys():
    assert list(papers.PAPERS) == ["idio", "sens", "reg", "closer"]
    assert len({paper.bib for paper in papers.PAPERS.values()}) == 4


# Refusals

CLAIM = """\
- id: sens/claim-01
  predicate: x < 1
  printed: 'yes'
  study: sens/table2
"""
STATEMENT = """\
- id: reg/lemma-3.1
  paper: reg
  place: Section 3
  statement: left = right
  verdict: open
"""


def _register(folder, name):
    """Where a register of this name is read from; statements have a file for each paper."""
    if name != "statements":
        return folder / f"{name}.yml"
    (folder / name).mkdir()
    return folder / name / "reg.yml"


DOUBT = """\
- id: d01
  where: here
  kind: typo
  what: a digit
"""


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("claims", CLAIM * 2, "claims.yml, sens/claim-01: this id occurs twice"),
        ("claims", CLAIM.replace("'yes'", "yes"), "printed is text .*; quote True"),
        (
            "claims",
            CLAIM.replace("'yes'", "maybe"),
            "claim-01: printed is one of yes, no, .*'maybe'",
        ),
        ("claims", CLAIM.replace("sens/c", "sense/c"), "the paper in the id is one of idio, sens"),
        ("claims", CLAIM.replace("  study: sens/table2\n", ""), "01: the field study is missing"),
        ("claims", CLAIM.replace("x < 1", "''"), "01: the field predicate is missing"),
        ("claims", CLAIM + "  table: sens_table2\n", r"table is text \(table: a list of names\)"),
        ("claims", CLAIM + "  table: [sens_table2, 3]\n", "table is text"),
        ("claims", CLAIM + "  remark: x\n", "claim-01: no field 'remark'; the fields are id"),
        ("claims", CLAIM.replace("x < 1", "[x"), "claims.yml is not YAML"),
        ("claims", "id: x\n", "claims.yml is a list of entries"),
        (
            "claims",
            CLAIM.replace("id: sens/claim-01", "note: a"),
            "entry 1: the field id is missing",
        ),
        ("statements", STATEMENT.replace("open", "TRUE"), "verdict is text"),
        ("statements", STATEMENT.replace("open", "PROVED"), "lemma-3.1: verdict is one of HOLDS,"),
        ("statements", STATEMENT.replace("open", "HOLDS"), "verdict HOLDS needs the field check"),
        (
            "statements",
            STATEMENT.replace("open", "HOLDS WITH FIX") + "  check: c\n",
            "needs the field corrected",
        ),
        (
            "statements",
            STATEMENT.replace("open", "FALSE AS PRINTED") + "  check: c\n",
            "needs the field counterexample",
        ),
        (
            "statements",
            STATEMENT.replace("paper: reg", "paper: sens"),
            "paper in the id is one of sens",
        ),
        (
            "statements",
            STATEMENT + "  reference: {slope: steep}\n",
            "lemma-3.1: reference is a mapping of words to numbers; got",
        ),
        ("doubts", DOUBT.replace("typo", "error"), "doubts.yml, d01: kind is one of OCR"),
    ],
)
def test_a_damaged_register_is_refused_by_file_id_and_rule(tmp_path, file, text, words):
    read = getattr(papers, file)
    _register(tmp_path, file).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read(tmp_path)


@pytest.mark.parametrize(
    ("file", "text"), [("claims", CLAIM), ("statements", STATEMENT), ("doubts", DOUBT)]
)
def test_the_same_registers_undamaged_are_read(tmp_path, file, text):
    _register(tmp_path, file).write_text(text, encoding="utf-8")
    assert len(getattr(papers, file)(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "t.csv, line 3: 1 cells under 2 columns"),
        ("a,b\n1,2,3\n", "t.csv, line 2: 3 cells under 2 columns"),
        ("a,a\n1,2\n", "t.csv: columns have a name each, no two the same"),
        ("", "t.csv: columns have a name each"),
    ],
)
def test_a_ragged_table_is_refused_by_file_and_line(tmp_path, text, words):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        papers.table("t", tmp_path)


def test_a_table_as_text_keeps_the_digits_that_a_number_loses():
    text, numbers = papers.printed("sens_table1"), papers.table("sens_table1")
    assert [list(row) for row in text] == [list(row) for row in numbers]
    assert "0.790" in text[2].values()
    assert 0.79 in numbers[2].values()


def test_an_unknown_table_is_refused_with_the_nearest_names():
    with pytest.raises(ValueError, match="no table 'sens_tabel2'; did you mean sens_table"):
        papers.table("sens_tabel2")


def test_words_that_python_reads_as_numbers_stay_words(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.csv").write_text("a,b,c,d\ninf,nan,1e3,-0.5\n", encoding="utf-8")
    assert papers.table("t", tmp_path) == [{"a": "inf", "b": "nan", "c": "1e3", "d": -0.5}]
