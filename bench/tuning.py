"""What the tuner is worth, and what it costs.

    python -m bench.tuning models --budget 10m --threads 2 --threads 1
    python -m bench.tuning search --trials 64
    python -m bench.tuning few --few 70 --many 1000
    python -m bench.tuning model --collect 200
    python -m bench.tuning warm --pair resnet50:densenet121
    python -m bench.tuning overhead --budget 2m
    python -m bench.tuning leak --trials 5000
    python -m bench.tuning faults

Each prints a table and, with --json, writes its figures. Models are names of the zoo or ONNX files.
Nothing else should run on the machine meanwhile; what is compared takes turns all the same.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bench.tuned import cost, faults, models, quality, searches, warm_start
from bench.tuned.common import MODELS, host, show, write
from mlc.autotune.records import Database

app = typer.Typer(no_args_is_help=True, add_completion=False, help=(__doc__ or "").split("\n")[0])

Models = Annotated[list[str] | None, typer.Option("--model", help="Of the zoo; repeatable.")]
Threads = Annotated[int, typer.Option(help="Threads of each kernel.")]
Tasks = Annotated[int, typer.Option(help="How many tasks, the heaviest of each model in turn.")]
Trials = Annotated[int, typer.Option(help="Measurements per task.")]
Seed = Annotated[int, typer.Option(help="Of all chance.")]
Rounds = Annotated[int, typer.Option(help="Turns of each race.")]
FromDefault = Annotated[
    bool, typer.Option(help="Whether both measure the default first, or neither knows it.")
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]
Folder = Annotated[
    Path | None, typer.Option(help="Keep the records here; otherwise they are gone afterwards.")
]
RACE = (
    "task",
    "space",
    "trials",
    "other_trials",
    "default_us",
    "best_us",
    "other_best_us",
    "ratio",
    "faster",
    "slower",
)
"""The columns of what raced two searches."""


@app.command("models")
def tune_models(
    model: Models = None,
    threads: Annotated[list[int] | None, typer.Option(help="Repeatable.")] = None,
    budget: Annotated[str, typer.Option(help="Time for each tuning.")] = "10m",
    rounds: Rounds = 30,
    seed: Seed = 0,
    folder: Folder = None,
    json: Json = None,
) -> None:
    """Whole models, tuned against untuned."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        where = folder or Path(temporary)
        where.mkdir(parents=True, exist_ok=True)
        for count in threads or [2, 1]:
            for name in model or MODELS:
                row = models.tuned_against_untuned(name, count, budget, where, rounds, seed)
                rows.append(row)
                print(f"{name}, {count} thread(s): {row['speedup']:.3f}×", flush=True)
                write(json, {"rows": rows})
    names = ("model", "threads", "untuned_ms", "tuned_ms", "speedup", "trials", "accepted", "tasks")
    _show_rows("models", names, rows)
    print(f"geometric mean {_mean(row['speedup'] for row in rows):.3f}×")


@app.command("search")
def search_against_random(
    model: Models = None,
    tasks: Tasks = 10,
    threads: Threads = 1,
    trials: Trials = 64,
    tie: Annotated[float, typer.Option(help="A loss smaller than this part is none.")] = 0.01,
    from_default: FromDefault = True,
    rounds: Rounds = 40,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """The guided search against random search at equal trials."""
    chosen = list(model or MODELS)
    rows = searches.against_random(
        chosen, tasks, threads, trials, seed, rounds, tie, from_default=from_default
    )
    _show_rows("evolutionary against random", RACE, rows)
    shares = {name: _share(rows, name) for name in ("as_fast", "faster", "slower")}
    print(
        f"as fast or faster on {shares['as_fast']:.0%} of the tasks (within {tie:.0%}); beyond "
        f"chance, faster on {shares['faster']:.0%} and slower on {shares['slower']:.0%}"
    )
    print(f"geometric mean {_mean(row['ratio'] for row in rows):.3f}×")
    write(json, {"rows": rows, **shares})


@app.command("few")
def few_against_many(
    model: Models = None,
    tasks: Tasks = 10,
    threads: Threads = 1,
    few: Trials = 70,
    many: Trials = 1000,
    rounds: Rounds = 30,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """The leader of few trials against the best of many."""
    chosen = list(model or MODELS)
    rows = searches.few_against_many(chosen, tasks, threads, few, many, seed, rounds)
    _show_rows(f"{few} trials against {many}", RACE, rows)
    near = sum(row["ratio"] >= 1 / 1.05 for row in rows) / len(rows)
    print(f"within 5 % on {near:.0%} of the tasks")
    write(json, {"rows": rows, "within_5_percent": near})


@app.command("model")
def cost_model(
    database: Annotated[
        list[Path] | None, typer.Option(help="Records to judge by; repeatable.")
    ] = None,
    collect: Annotated[
        int, typer.Option(help="First record so many random candidates per task.")
    ] = 0,
    model: Models = None,
    tasks: Tasks = 20,
    threads: Threads = 1,
    folds: Annotated[int, typer.Option(help="Parts that are left out in turn.")] = 5,
    fewest: Annotated[int, typer.Option(help="Candidates that a task must have.")] = 24,
    most: Annotated[int, typer.Option(help="Records that are read at most.")] = 20_000,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """The cost model on tasks that it was not trained on."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = list(database or [])
        if collect:
            paths.append(paths[0] if paths else Path(temporary) / "collected.sqlite")
            with Database(paths[-1]) as store:
                quality.collect(store, list(model or MODELS), tasks, threads, collect, seed)
        stores = [Database(path) for path in dict.fromkeys(paths)]
        samples = quality.samples_of(stores, host(threads), most)
        for store in stores:
            store.close()
    rows = quality.left_out(samples, folds, fewest, seed)
    figures = "objective pairwise clear top1 top5 weighted_top5 regret1 regret5"
    _show_rows(f"{len(samples)} candidates, left out in {folds} parts", figures.split(), rows)
    write(json, {"rows": rows, "samples": len(samples)})


@app.command("warm")
def warm(
    pair: Annotated[
        list[str] | None, typer.Option(help="SOURCE:MODEL, whose records help which; repeatable.")
    ] = None,
    tasks: Annotated[int, typer.Option(help="How many tasks of each model, the heaviest.")] = 4,
    threads: Threads = 1,
    trials: Trials = 20,
    searches: Annotated[int, typer.Option(help="Cold ones, and warm ones, of each task.")] = 3,
    slack: Annotated[
        list[float] | None, typer.Option(help="How near to the best is there; repeatable.")
    ] = None,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Warm starts against cold ones; neither is told of the default."""
    plan = warm_start.Plan(tasks, trials, searches, threads=threads, seed=seed)
    slacks = slack or [0.01, 0.02]
    rows = []
    for row in warm_start.rows_of(pair or warm_start.PAIRS, plan, slacks):
        rows.append(row)
        write(json, {"rows": rows})
    names = [name for name in rows[0] if name != "details"]
    _show_rows("trials until near the best known", names, rows)
    for judged, each in itertools.product(dict.fromkeys(row["judged"] for row in rows), slacks):
        shares = (row[f"share {each:.0%}"] for row in rows if row["judged"] == judged)
        print(f"{judged}, until within {each:.0%}: {_mean(shares):.2f} of the trials")


@app.command("overhead")
def overhead(
    model: Models = None,
    threads: Threads = 2,
    budget: Annotated[str, typer.Option(help="Time for each tuning.")] = "2m",
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """The tuner's own part of the wall time."""
    with tempfile.TemporaryDirectory() as temporary:
        rows = [
            cost.overhead(name, threads, budget, Path(temporary), seed) for name in model or MODELS
        ]
    names = ("model", "trials", "wall", "build", "run", "measuring", "settling", "overhead_share")
    _show_rows("seconds", names, rows)
    write(json, {"rows": rows})


@app.command("leak")
def leak(
    model: Models = None,
    tasks: Tasks = 10,
    threads: Threads = 1,
    trials: Annotated[int, typer.Option(help="Measurements in all.")] = 5000,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """What the tuner holds on to after many trials."""
    row = cost.leak(list(model or MODELS), tasks, threads, trials, seed)
    names = ("trials", "bytes_per_trial", "child_bytes_per_trial", "files", "processes")
    _show_rows("growth after the first fifth", names, [row])
    write(json, row)


@app.command("faults")
def inject_faults(
    model: Models = None,
    tasks: Tasks = 3,
    threads: Threads = 1,
    trials: Trials = 24,
    every: Annotated[int, typer.Option(help="Tamper with each candidate of this number.")] = 5,
    json: Json = None,
) -> None:
    """A tuning that is sabotaged."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "faults.sqlite"
        row = faults.sabotaged(list(model or MODELS), tasks, threads, trials, every, path)
    show("sabotage", ("", "value"), [[name, value] for name, value in row.items()])
    write(json, row)


def _show_rows(title: str, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    show(title, names, [[row[name] for name in names] for row in rows])


def _share(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return sum(bool(row[name]) for row in rows) / len(rows)


def _mean(ratios: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(ratios)))))


if __name__ == "__main__":
    app()
