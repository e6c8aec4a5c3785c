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
# (provenance)=
# # Provenance
#
# Which record holds what, made by which code, where, and how long it took. A record is a JSON file
# under `records/`; its name is the study and a digest of the run's whole configuration, which the
# file holds. `astute verify` recomputes a sample of them and compares.

# %%
from collections import defaultdict

from astute import figures, records, runs

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %%
kept = defaultdict(list)
for record in records.every().values():
    kept[record["study"], record["scale"]].append(record)
rows = []
for study in runs.studies().values():
    for level in runs.SCALES[1:]:
        made = kept.get((study.id, level), [])
        planned = len(study.at(level))
        if planned:
            minutes = sum(r["provenance"]["seconds"] for r in made) / 60
            failed = sum(r["status"] == "failed" for r in made)
            rows.append(
                [
                    study.id,
                    level,
                    f"{len(made)} of {planned}",
                    failed,
                    f"{minutes:.1f}",
                    f"`astute run {study.id} --scale {level}`",
                ]
            )
figures.table(rows, ["study", "scale", "records", "failed", "minutes", "command"])

# %%
figures.table(
    [
        [
            path.stem,
            r["scale"],
            r["status"],
            r["provenance"]["device"],
            f"{r['provenance']['seconds']:.0f}",
            r["provenance"]["started"][:10],
            r["provenance"]["commit"][:10] + (" + changes" if r["provenance"]["dirty"] else ""),
        ]
        for path, r in records.every().items()
    ],
    ["record", "scale", "status", "device", "seconds", "date", "code version"],
)

# %% [markdown]
# ## Library versions behind the records

# %%
versions = defaultdict(int)
for record in records.every().values():
    versions[tuple(sorted(record["provenance"]["versions"].items()))] += 1
for found, count in versions.items():
    print(f"{count} records:", ", ".join(f"{name} {version}" for name, version in found))
