# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# (speed)=
# # Speed
#
# What the companion exists for is written by us, so it has to be right, and should be fast. How
# fast is measured against two things: the least work that the job needs, and the libraries that
# others use. A stopwatch says more about a machine and an hour than about a program; so every
# number is a **ratio within one run**, the median of rounds in which ours, the peers and the
# reference took turns on one thread. Below 1 is faster than the reference. `python -m bench` runs
# them here; `python -m bench ITEM --write` renews this page.

# %%
import json

from IPython.display import display

from astute import ROOT, figures

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %%
FOUND = [json.loads(p.read_text()) for p in sorted((ROOT / "bench/results").glob("*.json"))]
rows = [row for found in FOUND for row in found["rows"]]
goals = [row for row in rows if row["goal"] is not None]
met = sum(row["ratio"] <= row["goal"] for row in goals)
print(f"{len(rows)} measurements; {met} of {len(goals)} goals are met")


# %% tags=["remove-cell"]
def line(row):
    """One measurement as cells: peers with their ratios to the same reference."""
    times = {name: "absent" if t is None else f"{t:.2f}" for name, t in row["peers"].items()}
    verdict = ""
    if row["goal"] is not None:
        verdict = "met" if row["ratio"] <= row["goal"] else "missed"
    peers = ", ".join(f"{name} {text}" for name, text in times.items())
    return [row["label"], row["ratio"], row["goal"], verdict, peers, row["note"]]


# %% tags=["remove-cell"]
def show(found):
    """The table of one item, and where it was measured."""
    machine = found["machine"]
    where = f"{machine['cpu']}, {machine['threads']} thread, torch {machine['torch']}"
    columns = ["measured; reference", "ours", "goal", "", "peers", "remark"]
    title = f"**{found['item']}** ({where}, {found['date']})"
    return figures.table([line(row) for row in found["rows"]], columns, title)


# %% tags=["remove-input"]
for found in FOUND:
    display(show(found))

# %% [markdown]
# ## Where a goal is missed
#
# - **PGD in float32 on small networks.** What can be rearranged exactly, batch norm, ReLU
#   after pooling, the layout, is; what is left are small convolutions and the additions between
#   them, which wait for memory rather than for arithmetic.
# - **bfloat16.** The convolutions alone gain a factor of less than two on this processor; the final
#   check of success in float32 is part of the time.
# - **Gamma.** A lookup of every pixel's level; writing the new images takes half of that time.
#
# ## What we doubt
#
# - **One machine.** Ratios of two programs move with the width of vectors, the size of caches and
#   the version of the libraries below. Nothing here was timed on a GPU.
# - **Goals are ours.** They were set from what the peers needed, before the code was written; a
#   missed one says so and why, where we know.
