"""What we measured: one small JSON file per run, written whole or not at all, never edited.

A record is a dict with the keys of `SCHEMA`. Its path is the study's name plus a digest of the
run's configuration, so that nobody types it and the same settings find the same file.
"""

import datetime
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import uuid
import zipfile
import zlib
from pathlib import Path

import jsonschema

from . import ROOT, values

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "study", "scale", "config", "status", "result", "provenance"],
    "properties": {
        "schema": {"const": 1},
        "study": {"type": "string", "pattern": "^(sens|reg|idio|closer|cross)/[a-z0-9][a-z0-9-]*$"},
        "scale": {"enum": ["smoke", "cpu", "gpu", "paper"]},
        "config": {"type": "object", "required": ["type"]},
        "status": {"enum": ["ok", "failed"]},
        "result": {"type": ["object", "null"]},
        "error": {"type": "string"},
        "provenance": {
            "type": "object",
            "required": ["commit", "dirty", "versions", "device", "threads", "started", "seconds"],
            "properties": {
                "commit": {"type": "string"},
                "library": {"type": "string"},
                "dirty": {"type": "boolean"},
                "versions": {"type": "object", "additionalProperties": {"type": "string"}},
                "device": {"type": "string"},
                "threads": {"type": "integer"},
                "started": {"type": "string"},
                "seconds": {"type": "number", "minimum": 0},
            },
        },
    },
    "if": {"properties": {"status": {"const": "failed"}}},
    "then": {"required": ["error"], "properties": {"result": {"type": "null"}}},
    "else": {"properties": {"result": {"type": "object"}}},
}
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "foolbox")


class RecordError(ValueError):
    """A record that is not whole, not valid or not where its content says it belongs."""


_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)  # made once: it checks its schema


def folder():
    """Where records lie: ``ASTUTE_RECORDS`` if set, else the repository's `records/`."""
    return Path(os.environ.get("ASTUTE_RECORDS") or ROOT / "records")


def path_of(study, scale, config):
    """The file for exactly this configuration: records/<paper>/<name>-<digest>.json."""
    return folder() / f"{study}-{values.digest([scale, config])}.json"


def validate(record):
    """Refuse a record that does not follow `SCHEMA`; return it.

    Raises
    ------
    RecordError
        Naming the field.
    """
    try:
        _VALIDATOR.validate(record)
    except jsonschema.ValidationError as error:
        place = "/".join(map(str, error.absolute_path)) or "the record"
        raise RecordError(f"{place}: {error.message}") from error
    return record


def read(path):
    """One record from its file.

    Raises
    ------
    RecordError
        If the file is cut off, not JSON, not by the schema, or under another run's name.
    """
    path = Path(path)
    remedy = f"{path} is not a whole record; delete it and run again"
    try:
        record = validate(_parse(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, json.JSONDecodeError, RecordError) as error:
        raise RecordError(f"{remedy} ({error})") from error
    if path_of(record["study"], record["scale"], record["config"]).parts[-2:] != path.parts[-2:]:
        raise RecordError(f"{path} does not belong to its configuration; delete it and run again")
    return record


def _parse(text):
    """JSON -> plain data, with no number beyond the finite."""

    def finite(text):
        if not math.isfinite(value := float(text)):
            raise RecordError(f"{text} is not a measurement")
        return value

    return json.loads(text, parse_constant=finite, parse_float=finite)


def get(study, scale, config):
    """The record of exactly this configuration, or None if there is none yet."""
    path = path_of(study, scale, config)
    return read(path) if path.exists() else None


def result(record):
    """What a record measured; None of one that is missing or tells of a failure."""
    return record["result"] if record and record["status"] == "ok" else None


def every():
    """All records, by path: the provenance page and the export read them so."""
    return {path: read(path) for path in sorted(folder().glob("*/*.json"))}


def write(record):
    """Write a record atomically and return its path.

    Under ``ASTUTE_FROZEN=1`` nothing is written. Two writers can't hurt each other: each writes a
    file of its own and the last whole one stays.

    Raises
    ------
    RecordError
        If the record breaks the schema or holds NaN or infinity.
    """
    validate(record)
    path = path_of(record["study"], record["scale"], record["config"])
    if os.environ.get("ASTUTE_FROZEN") == "1":
        return path
    try:
        text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except ValueError as error:
        raise RecordError(f"{path.name} holds NaN or infinity: not a measurement") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def provenance(device, threads, started, seconds):
    """What produced a record: code version, library versions, device, date, wall time."""
    versions = {"python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        # the same in every history that holds this code, where a commit's name is not
        "library": _git("rev-parse", "HEAD:lib/astute") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--", "lib", "papers") or ""),
        "versions": versions,
        "device": device,
        "threads": threads,
        "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat("T", "seconds"),
        "seconds": round(seconds, 3),
    }


def _git(*words):
    try:
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def export(bundle, studies=()):
    """Pack records (all, or those of some studies) into a zip file; return how many."""
    chosen = {p: r for p, r in every().items() if not studies or r["study"] in studies}
    if not chosen:
        raise RecordError(f"no records to export for {', '.join(studies) or 'any study'}")
    bundle = Path(bundle)
    part = bundle.with_name(f"{bundle.name}.{os.getpid()}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        for path in chosen:
            file.write(path, path.relative_to(folder()).as_posix())
    part.replace(bundle)
    return len(chosen)


def take_in(bundle):
    """Validate every record of a bundle, then write them; return the paths.

    Nothing is written unless all are valid. A record goes where its content belongs: names inside
    the bundle are not trusted.

    Raises
    ------
    RecordError
        Naming the bundle's entry.
    """
    found = []
    try:
        with zipfile.ZipFile(bundle) as file:
            for name in file.namelist():
                try:
                    found.append(validate(_parse(file.read(name))))
                except (UnicodeDecodeError, json.JSONDecodeError, RecordError) as error:
                    raise RecordError(f"{bundle}: {name} is not a record ({error})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise RecordError(f"{bundle} is not a whole bundle; export it again") from error
    return [write(record) for record in found]


def close(a, b, tolerance):
    """Whether two results agree: same shape, numbers within ``tolerance``, bits and words aside.

    Examples
    --------
    >>> close({"value": 0.50, "n": 10}, {"value": 0.51, "n": 10}, 0.02)
    True
    """
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(
            k == "outcomes" or close(a[k], b[k], tolerance) for k in a
        )
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(i, j, tolerance) for i, j in zip(a, b, strict=True))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (a, b))
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) if numbers else a == b
