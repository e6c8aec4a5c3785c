"""``python -m bench ITEM``: one line per measurement, ours over the reference."""

import argparse
import importlib
from pathlib import Path

import torch


def main():
    """Time the items asked for, on one thread unless told otherwise."""
    items = sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py"))
    say = argparse.ArgumentParser("python -m bench", description=__doc__)
    say.add_argument("items", nargs="*", metavar="ITEM", help=", ".join(items))
    say.add_argument("--threads", type=int, default=1)
    args = say.parse_args()
    torch.set_num_threads(args.threads)
    for item in args.items or items:
        for label, value in importlib.import_module(f"bench.{item}").measurements():
            print(f"{item:<11} {value:8.3f}  {label}", flush=True)


main()
