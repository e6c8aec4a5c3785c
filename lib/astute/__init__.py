"""Astute: an executable companion to four papers on accuracy and adversarial robustness."""

from pathlib import Path

__version__ = "0.1.0"

#: The repository: `papers/`, `records/` and `notebooks/` lie here.
ROOT = Path(__file__).resolve().parents[2]
