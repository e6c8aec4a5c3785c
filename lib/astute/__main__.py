"""The command line: ``astute`` or ``python -m astute``."""

import argparse
import json
import random
import sys
import time

from . import __version__


def status(args):
    """What is measured at which scale, what is missing, and what it would cost."""
    from . import records, runs, values

    rows = []
    for study in runs.studies().values():
        for scale in [args.scale] if args.scale else runs.SCALES[1:]:
            planned = study.at(scale)
            if not planned:
                continue
            found = [records.get(study.id, scale, values.config(run)) for run in planned]
            done = sum(r is not None and r["status"] == "ok" for r in found)
            failed = sum(r is not None and r["status"] == "failed" for r in found)
            missing = len(planned) - done - failed
            cost = missing * study.minutes.get(scale, float("nan"))
            rows.append(
                {
                    "id": study.id,
                    "scale": scale,
                    "title": study.title,
                    "runs": len(planned),
                    "measured": done,
                    "failed": failed,
                    "missing": missing,
                    "minutes": round(cost, 2) if cost == cost else None,
                    "files": [_file(study.id, scale, run) for run in planned],
                }
            )
    text = [
        f"{r['id']:<28} {r['scale']:<5} {r['measured']:>3}/{r['runs']:<3}"
        + (f" failed {r['failed']}" if r["failed"] else "")
        + (f" about {r['minutes']:g} min to measure" if r["missing"] and r["minutes"] else "")
        + f"  {r['title']}"
        for r in rows
    ]
    _show(args, rows, text)


def _file(name, scale, run):
    """The name of a run's record: table2-6d64af30ac.json."""
    from . import records, values

    return records.path_of(name, scale, values.config(run)).name


def run(args):
    """Measure the runs of studies that have no record yet, resuming where a kill cut in."""
    from . import records, runs, values

    deadline = time.monotonic() + 60 * args.minutes if args.minutes else None
    context = runs.Context(device=args.device, data_root=args.data_root, deadline=deadline)
    todo, failures, late, elsewhere = [], 0, 0, 0
    for name in args.studies:
        planned = runs.study(name).at(args.scale)
        if not planned:
            raise ValueError(f"{name} is not defined at scale {args.scale}")
        if args.only:
            planned = [one for one in planned if _file(name, args.scale, one) == args.only]
            if not planned:
                raise ValueError(f"no run of {name} at scale {args.scale} writes {args.only}")
        for one in planned:
            try:
                old = records.get(name, args.scale, values.config(one))
            except records.RecordError as error:
                if not args.force:
                    failures += 1
                    print(f"astute: {error}", file=sys.stderr)
                    continue
            again = args.force or (args.retry and old and old["status"] == "failed")
            if again or old is None:
                todo.append((name, one))
    print(f"{len(todo)} runs to measure at scale {args.scale}", flush=True)
    if args.together:
        print(f"{runs.train_together(todo, context)} networks trained side by side", flush=True)
    for i, outcome in enumerate(runs.measured(todo, args.scale, context, args.jobs), 1):
        if outcome is None or isinstance(outcome, runs.Elsewhere):
            late, elsewhere = late + (outcome is None), elsewhere + (outcome is not None)
            continue
        if isinstance(outcome, ValueError):
            failures += 1
            print(f"astute: {outcome}", file=sys.stderr)
            continue
        path = records.path_of(outcome["study"], args.scale, outcome["config"])
        failures += outcome["status"] == "failed"
        note = outcome.get("error", f"{outcome['provenance']['seconds']:.0f} s")
        print(f"[{i}/{len(todo)}] {outcome['status']:<6} {path.name}  {note}", flush=True)
    if elsewhere:
        print(f"{elsewhere} runs left to another sweep on this folder")
    if late:
        print(f"time is up: {late} runs left; the same command goes on")
    return 1 if failures else 0


def verify(args):
    """Recompute a sample of records and compare."""
    from . import records, runs, values

    chosen = []
    for name in args.studies or runs.studies():
        for scale in [args.scale] if args.scale else runs.SCALES[1:]:
            for one in runs.study(name).at(scale):
                old = records.get(name, scale, values.config(one))
                if old is not None and old["status"] == "ok":
                    chosen.append((name, scale, one, old))
    if not chosen:
        raise ValueError("no records to verify; `astute status` lists what is measured")
    random.Random(args.seed).shuffle(chosen)
    context = runs.Context(device=args.device, data_root=args.data_root)
    bad = 0
    for name, scale, one, old in chosen[: args.sample]:
        new = runs.measure(name, scale, one, context)
        same = new["status"] == "ok" and records.close(old["result"], new["result"], args.tolerance)
        bad += not same
        label = records.path_of(name, scale, old["config"]).name
        print(f"{'agrees' if same else 'DIFFERS'}  {label}", flush=True)
    return 1 if bad else 0


def claims(args):
    """Every claim of the papers with its verdict at a scale."""
    from . import claims

    rows = [claims.judge(name, args.scale).row() for name in claims.names()]
    text = [f"{r['id']:<18} {r['verdict']:<16} {r['evidence']}" for r in rows]
    _show(args, rows, text)


def statements(args):
    """Every statement of the papers with its verdict."""
    import dataclasses

    from . import papers

    rows = [dataclasses.asdict(s) for s in papers.statements().values()]
    _show(args, rows, [f"{r['id']:<34} {r['verdict']:<18} {r['statement']}" for r in rows])


def export(args):
    """Pack records into one file to carry elsewhere."""
    from . import records

    count = records.export(args.bundle, args.studies)
    print(f"{count} records in {args.bundle}")


def take_in(args):
    """Take in the records of a bundle; each is validated first."""
    from . import records

    print(f"{len(records.take_in(args.bundle))} records taken in")


def _show(args, rows, text):
    print(json.dumps(rows, indent=1, ensure_ascii=False) if args.json else "\n".join(text))


def parser():
    """The whole command line."""
    top = argparse.ArgumentParser(prog="astute", description="The Astute companion's records.")
    top.add_argument("--version", action="version", version=f"astute {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    scales = ("smoke", "cpu", "gpu", "paper")

    def command(name, function, **options):
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(function=function)
        for flag, settings in options.items():
            positional = settings.pop("positional", False)
            sub.add_argument(flag if positional else f"--{flag.replace('_', '-')}", **settings)

    as_json = {"action": "store_true", "help": "print a JSON list of objects"}
    scale = {"choices": scales, "help": "all scales but smoke, if not given"}
    device = {"default": "cpu", "help": 'such as "cpu" or "cuda"'}
    root = {"default": "", "help": "folder of data sets, instead of ASTUTE_DATA"}
    names = {"positional": True, "nargs": "*", "metavar": "STUDY", "help": "such as sens/table2"}
    bundle = {"positional": True, "metavar": "FILE.zip"}
    command("status", status, scale=dict(scale), json=dict(as_json))
    command(
        "run",
        run,
        studies=names | {"nargs": "+"},
        scale={"choices": scales, "default": "cpu", "help": "default: cpu"},
        device=dict(device),
        data_root=dict(root),
        jobs={"type": int, "default": 1, "help": "runs at a time, one core each (default 1)"},
        minutes={"type": float, "help": "stop cleanly in time; the same command goes on"},
        only={"metavar": "RECORD", "help": "just the run that writes it, table2-6d64af30ac.json"},
        together={"action": "store_true", "help": "train like networks side by side first"},
        retry={"action": "store_true", "help": "measure failed runs again"},
        force={"action": "store_true", "help": "measure everything again"},
    )
    command(
        "verify",
        verify,
        studies=dict(names),
        scale=dict(scale),
        sample={"type": int, "default": 3, "help": "records to recompute (default 3)"},
        tolerance={"type": float, "default": 0.01, "help": "allowed difference (default 0.01)"},
        seed={"type": int, "default": 0, "help": "of the sample"},
        device=dict(device),
        data_root=dict(root),
    )
    judged = {"choices": scales, "default": "cpu", "help": "default: cpu"}
    command("claims", claims, scale=judged, json=dict(as_json))
    command("statements", statements, json=dict(as_json))
    command("export", export, bundle=dict(bundle), studies=dict(names))
    command("import", take_in, bundle=dict(bundle))
    commands.add_parser("pages", help="Execute the notebooks that changed.", add_help=False)
    return top


def main(argv=None):
    """Run one command; errors a reader can act on are one line, exit status 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        if argv[:1] == ["pages"]:  # has options of its own
            from . import pages

            return pages.main(argv[1:])
        args = parser().parse_args(argv)
        return args.function(args) or 0
    except (ValueError, OSError) as error:
        print(f"astute: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("astute: stopped; records and checkpoints are whole", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
