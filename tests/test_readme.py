"""What the README says of the tree and of our findings is what there is."""

import re

import pytest

from astute import ROOT, claims, papers

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    "sens": "sens_3_smoothing_and_saturation",
    "reg": "reg_3_bound_and_lemma",
    "idio": "idio_4_perturbing_weights",
    "closer": "closer_2_separation",
    **{f"sens/claim-{k:02d}": "sens_3_saturation" for k in range(8, 17)},
    "sens/claim-17": "sens_4_1_gamma",
    **{f"sens/claim-{k}": "sens_5_measured" for k in range(21, 29)},
    "sens/claim-42": "sens_3_saturation",
    **{f"sens/claim-{k}": "sens_4_2_fashion_and_edges" for k in (18, 19, 20)},
    **{
        f"sens/claim-{k}": "sens_5_3_capacity_and_sample_size" for k in (*range(29, 33), 35, 36, 38)
    },
    "sens/claim-39": "sens_b_2_certified_training",
    "sens/claim-40": "sens_2_1_bayes_and_robust_error",
    "sens/claim-41": "sens_2_2_concentration",
    **{f"idio/claim-0{k}": "idio_4_1_attacks_on_the_original_model" for k in range(1, 6)},
    **{f"idio/claim-{k:02d}": "idio_4_2_new_attacks" for k in range(6, 12)},
    **{f"idio/claim-{k}": "idio_4_corruptions" for k in range(12, 17)},
    "idio/claim-20": "idio_a_lemmas",
    "reg/claim-29": "reg_c_proof_of_the_bound",
    **{f"closer/claim-{k:02d}": "closer_3_local_lipschitzness" for k in (*range(3, 8), 18, 20, 21)},
    **{f"closer/claim-{k:02d}": "closer_4_generalization" for k in (*range(8, 13), 19)},
    **{f"closer/claim-{k:02d}": "closer_5_dropout" for k in range(13, 18)},
}


def found(scale="cpu"):
    """The README's table of claims that have a verdict, as it must read."""
    lines = ["| claim | predicate | printed | ours, scale cpu | verdict | page |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name in claims.names():
        j = claims.judge(name, scale)
        if j.verdict != "not measured":
            page = f"`{PAGES.get(name) or PAGES[name.split('/')[0]]}`"
            cells = [f"`{name}`", j.predicate, j.printed, j.evidence, f"**{j.verdict}**", page]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_findings_are_those_of_the_records():
    block = re.search(r"<!-- found:.*?-->\n(.*?)<!-- /found -->", README, re.S)[1].strip()
    now = found()
    assert block == now, f"the block between the found markers must read:\n\n{now}\n"


def test_every_module_is_in_the_table():
    listed = set(re.findall(r"`([a-z_]+)`", README.split("## I want to")[1].split("```")[0]))
    modules = {p.stem for p in (ROOT / "lib/astute").iterdir() if p.suffix == ".py"}
    packages = {p.parent.name for p in (ROOT / "lib/astute").glob("*/__init__.py")}
    assert (modules | packages) - {"__init__", "__main__"} <= listed


def test_the_counts_are_right():
    assert f"all {len(papers.claims())}" in README
    assert f"{len(papers.statements())} statements" in README


@pytest.mark.filterwarnings("ignore")
def test_the_example_runs():
    code = README.split("```python")[1].split("```")[0]
    scope = {}
    exec(code, scope)
    assert 0 <= scope["model"](scope["test"].x[:2]).shape[1] == 10
