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
def line(study, level):
    """A study at a scale: how much of it is measured, and what that took."""
    made = [r for r in every.values() if (r["study"], r["scale"]) == (study.id, level)]
    minutes = sum(r["provenance"]["seconds"] for r in made) / 60
    failed = sum(r["status"] == "failed" for r in made)
    share = f"{len(made)} of {len(study.at(level))}"
    command = f"`astute run {study.id} --scale {level}`"
    return [study.id, level, share, failed, f"{minutes:.1f}", command]


every = records.every()
studies = runs.studies().values()
rows = [line(study, level) for study in studies for level in runs.SCALES[1:] if study.at(level)]
figures.table(rows, ["study", "scale", "records", "failed", "minutes", "command"])

# %% [markdown]
# Minutes were taken while other work shared the two cores, and include training only where the
# weights were not at hand already.

# %%
rows = []
for path, r in every.items():
    made = r["provenance"]
    code = made["commit"][:10] + (" + changes" if made["dirty"] else "")
    seconds, date = f"{made['seconds']:.0f}", made["started"][:10]
    rows.append([path.stem, r["scale"], r["status"], made["device"], seconds, date, code])
figures.table(
    rows,
    ["record", "scale", "status", "device", "seconds", "date", "code version"],
)

# %% [markdown]
# ## Library versions behind the records

# %%
versions = defaultdict(int)
for record in every.values():
    versions[tuple(sorted(record["provenance"]["versions"].items()))] += 1
for found, count in versions.items():
    print(f"{count} records:", ", ".join(f"{name} {version}" for name, version in found))
