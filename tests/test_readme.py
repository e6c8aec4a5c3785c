"""What the README says of the tree and of our findings is what there is."""

import re

import pytest

from astute import ROOT, claims, papers

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: The claims that the README shows, and the pages they are on; the book's register has all.
SHOWN = {
    "sens/claim-03": "sens_3_smoothing_and_saturation",
    "sens/claim-06": "sens_3_smoothing_and_saturation",
    "sens/claim-23": "sens_5_measured",
    "sens/claim-27": "sens_5_measured",
    "sens/claim-39": "sens_b_2_certified_training",
    "reg/claim-02": "reg_4_1_generalization_gaps",
    "reg/claim-18": "reg_4_2_singular_values",
    "reg/claim-26": "reg_b_spectral_norm_control",
    "reg/claim-28": "reg_3_bound_and_lemma",
    "reg/claim-29": "reg_c_proof_of_the_bound",
    "idio/claim-03": "idio_4_1_attacks_on_the_original_model",
    "idio/claim-06": "idio_4_2_new_attacks",
    "idio/claim-12": "idio_4_corruptions",
    "closer/claim-01": "closer_2_separation",
    "closer/claim-03": "closer_3_local_lipschitzness",
    "closer/claim-06": "closer_3_local_lipschitzness",
    "closer/claim-12": "closer_4_generalization",
}


def found(scale="cpu"):
    """The README's tables of verdicts, as they must read: counts, then the claims of `SHOWN`."""
    judged = {name: claims.judge(name, scale) for name in claims.names()}
    lines = [f"| paper | claims | {' | '.join(claims.VERDICTS)} |"]
    lines.append("| --- " * (2 + len(claims.VERDICTS)) + "|")
    for paper in papers.PAPERS:
        verdicts = [j.verdict for name, j in judged.items() if name.startswith(f"{paper}/")]
        counts = [str(verdicts.count(verdict)) for verdict in claims.VERDICTS]
        lines.append(f"| `{paper}` | {len(verdicts)} | {' | '.join(counts)} |")
    lines += ["", "| claim | predicate | printed | ours, scale cpu | verdict | page |"]
    lines.append("| --- " * 6 + "|")
    for name, page in SHOWN.items():
        j = judged[name]
        cells = [f"`{name}`", j.predicate, j.printed, j.evidence, f"**{j.verdict}**", f"`{page}`"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_findings_are_those_of_the_records():
    block = re.search(r"<!-- found:.*?-->\n(.*?)<!-- /found -->", README, re.S)[1].strip()
    now = found()
    assert block == now, f"the block between the found markers must read:\n\n{now}\n"


def test_every_page_it_names_is_in_the_book():
    assert all((ROOT / f"notebooks/{page}.py").exists() for page in SHOWN.values())


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
