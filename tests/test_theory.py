"""Every verdict in the register is the one its check earns, and has a place in the book."""

import importlib
import re

import numpy as np
import pytest

from astute import ROOT, papers, theory

for path in sorted((ROOT / "lib/astute/theory").glob("[a-z]*")):
    importlib.import_module(f"astute.theory.{path.stem}")
STATEMENTS = papers.statements()
DECIDED = [name for name, row in STATEMENTS.items() if row.verdict != "open"]


@pytest.mark.parametrize("name", DECIDED)
def test_a_verdict_is_the_one_that_its_check_earns(name):
    evidence = theory.CHECKS[name]()
    assert evidence.control, f"the control of {name} passed: {evidence.found}"
    assert evidence.verdict == STATEMENTS[name].verdict, evidence.found
    found = {
        key: pytest.approx(float(v), rel=1e-3, abs=1e-6) for key, v in evidence.reference.items()
    }
    assert STATEMENTS[name].reference == found
    assert found, f"{name} has no number that another implementation could find again"


def test_evidence_takes_numpys_truth_for_truth():
    found = {"control": np.True_, "margin": 0.0, "found": "", "reference": {}}
    assert theory.Evidence(holds=np.False_, corrected=np.False_, **found).verdict == "open"
    assert theory.Evidence(holds=np.True_, **found).holds is True


def test_no_check_is_of_a_statement_that_is_not_there():
    assert set(theory.CHECKS) <= set(STATEMENTS)


def test_a_check_is_registered_once():
    theory.check("test/once")(lambda: None)
    try:
        with pytest.raises(ValueError, match="has a check already"):
            theory.check("test/once")(lambda: None)
    finally:
        del theory.CHECKS["test/once"]


@pytest.mark.parametrize(
    ("holds", "corrected", "control", "verdict"),
    [
        (True, None, True, "HOLDS"),
        (True, None, False, "open"),
        (False, True, True, "HOLDS WITH FIX"),
        (False, False, True, "open"),
        (False, None, True, "FALSE AS PRINTED"),
        (None, None, True, "NOT PROVABLE"),
    ],
)
def test_evidence_decides_the_verdict(holds, corrected, control, verdict):
    kw = {"margin": 0.0, "found": "", "reference": {}}
    evidence = theory.Evidence(holds=holds, corrected=corrected, control=control, **kw)
    assert evidence.verdict == verdict
    assert theory.Evidence(holds=False, survives=False, control=True, **kw).verdict == "open"
    assert verdict in papers.VERDICTS


@pytest.mark.parametrize("name", DECIDED)
def test_a_statement_with_a_verdict_has_a_box_on_the_page_that_it_names(name):
    page, _, anchor = STATEMENTS[name].page.partition("#")
    source = (ROOT / "notebooks" / f"{page}.py").read_text(encoding="utf-8")
    assert f'"{name}"' in source, f"{page} never shows {name}"
    labels = re.findall(r"^# \(([\w.-]+)\)=$|^# :label: ([\w.-]+)$", source, re.M)
    assert not anchor or anchor in {label for pair in labels for label in pair}


@pytest.mark.parametrize("name", DECIDED)
def test_what_is_not_true_as_printed_says_what_hangs_on_it(name):
    row = STATEMENTS[name]
    if row.verdict in ("FALSE AS PRINTED", "HOLDS WITH FIX"):
        assert row.consequence, "say consequence: " + ", ".join(papers.CONSEQUENCES)
    if row.verdict == "FALSE AS PRINTED" and row.consequence != "slip":
        assert row.survives, "say what a reader may still conclude: survives"
