"""The one import order of the library, and that its modules are where the README says."""

import ast
from pathlib import Path

import pytest

from astute import ROOT

ORDER = (
    *("values", "intervals", "progress", "papers"),
    *("norms", "losses", "spectra"),
    *("data", "transforms", "models", "fused", "pruning"),
    *("attacks", "certified", "objectives", "training"),
    *("robustness", "margins", "lipschitz", "separation", "interclass", "volume"),
    *("corruptions", "scores", "theory"),
    *("records", "figures", "live", "runs", "claims", "pages"),
    "__main__",
)
WITHOUT_TORCH = {"values", "intervals", "progress", "papers", "records", "figures", "pages"}
MODULES = sorted(
    p
    for p in (ROOT / "lib" / "astute").rglob("*.py")
    if p.name != "__init__.py" or p.parent.name != "astute"
)


def called(path):
    """Such as "runs/sens/mnist": what the library's file is called, its folders before it."""
    return path.relative_to(ROOT / "lib" / "astute").with_suffix("").as_posix()


def part(path):
    """The name in ORDER of the module or package a file belongs to."""
    return path.relative_to(ROOT / "lib" / "astute").parts[0].removesuffix(".py")


def imported(path):
    """Names of ORDER that a file imports, and whether torch is among its imports."""
    package = Path(path).relative_to(ROOT / "lib" / "astute").parent.parts
    found, torch = set(), False
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            torch |= any(name.split(".")[0] == "torch" for name in names)
            assert not any(name.split(".")[0] == "astute" for name in names), f"{path}: absolute"
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            torch |= node.module.split(".")[0] == "torch"
            assert node.module.split(".")[0] != "astute", f"{path}: imports itself absolutely"
        elif isinstance(node, ast.ImportFrom):
            inside = list(package[: len(package) - node.level + 1])
            inside += node.module.split(".") if node.module else []
            found |= {inside[0]} if inside else {alias.name for alias in node.names}
    return found & set(ORDER), torch


@pytest.mark.parametrize("path", MODULES, ids=called)
def test_a_module_imports_only_modules_before_it(path):
    here = part(path)
    assert here in ORDER, f"{here} has no place in the import order"
    later = {name for name in imported(path)[0] if ORDER.index(name) > ORDER.index(here)}
    assert not later, f"{here} imports {', '.join(later)}, which come after it"


@pytest.mark.parametrize("path", MODULES, ids=called)
def test_what_the_light_environment_imports_needs_no_torch(path):
    if part(path) in WITHOUT_TORCH:
        names, torch = imported(path)
        assert not torch
        assert names <= WITHOUT_TORCH


def test_the_order_names_no_module_that_is_gone():
    there = {part(path) for path in MODULES}
    assert set(ORDER) == there
