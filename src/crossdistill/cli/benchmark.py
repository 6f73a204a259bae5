"""`crossdistill compare benchmark`: the evidence study, over data sets, label budgets and methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.progress import Progress, TaskID

from crossdistill.cli.benchmark_pages import write_pages
from crossdistill.cli.compare import ABLATIONS, parse_methods, tell_of_failures
from crossdistill.cli.engine_options import add_engine, chosen_executor
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import NOTHING, add_quiet, shown
from crossdistill.listening import Listener, Values
from crossdistill.methods import METHODS, load_plugins
from crossdistill.recipes.variants.benchmark import (
    QUICK_BUDGETS,
    QUICK_METHODS,
    QUICK_SEEDS,
    QUICK_SETS,
    SETS,
    BenchmarkSet,
    Budget,
    settings,
)
from crossdistill.studies.benchmark import SETTINGS, Asked, benchmark
from crossdistill.studies.plan import RUNS
from crossdistill.types import InputError

SEEDS = 10


def parser(arguments: Sequence[str]) -> ArgumentParser:
    load_plugins()
    study = command_parser(
        "benchmark",
        "Compare methods on ten data sets with few and with all labels, and say which claims hold. Also "
        "typed `compare benchmark`. Finished runs in OUT are kept, so the same command goes on after a kill and adds "
        "what is new. Writes OUT/results.parquet and OUT/report.html; `crossdistill report OUT` writes pages again.",
        usage="[options]",
    )
    names = ", ".join(each.name for each in SETS)
    study.add_argument("--sets", default="", help=f"with commas, of {names}; all unless given")
    study.add_argument(
        "--budgets",
        default="",
        help="with commas: N% (of each class's labels), N (whole subjects, where sets are split by them), few (all of "
        "these below all labels), all (labels); those that a set does not have are left out; few,all unless given",
    )
    study.add_argument("--methods", default="", help="names with commas, or all; all unless given")
    study.add_argument("--ablations", action="store_true", help=ABLATIONS)
    controls = "also AMID-U and AMID with shuffled and with zeroed auxiliary inputs"
    study.add_argument("--controls", action="store_true", help=controls)
    seeds = f"runs of each, each labels others and, of whole subjects, tests another; {SEEDS} unless given"
    study.add_argument("--seeds", type=int, help=seeds)
    trials = "of tuning on validation samples, for each method of each setting, before; 0 takes recipes as they stand"
    study.add_argument("--trials", type=int, default=0, help=trials)
    study.add_argument("--data", type=Path, default=Path("data"), help="folder of prepared data sets")
    study.add_argument("--fields", type=dict[str, Any], default={}, help="of every recipe: '{epochs: 2}' tries it out")
    quick = f"{', '.join(QUICK_SETS)}; a tenth of labels, one subject's, or all; main methods; {QUICK_SEEDS} seeds"
    study.add_argument("--quick", action="store_true", help=f"about 15 minutes on two cores: unless given, {quick}")
    weights = "keep the trained models, which no report needs: some 10 MB a run"
    study.add_argument("--weights", action="store_true", help=weights)
    study.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="folder for the runs and the report")
    study.add_argument("--markdown", type=Path, help="folder for the page as benchmark.md, with figures and table")
    add_engine(study)
    add_quiet(study)
    return study


def execute(options: Namespace, command: str) -> int:
    """Run the study and show how it goes, then write its page. Returns the exit code, as a comparison's."""
    quick = options.quick
    asked = Asked(
        methods=tuple(parse_methods(options.methods or (_quick_methods() if quick else "all"))),
        ablations=options.ablations,
        controls=options.controls,
        seeds=(QUICK_SEEDS if quick else SEEDS) if options.seeds is None else options.seeds,
        trials=options.trials,
        weights=options.weights,
    )
    sets = parse_sets(options.sets or (",".join(QUICK_SETS) if quick else ""))
    wanted = parse_budgets(options.budgets, sets) if options.budgets or not quick else QUICK_BUDGETS.__contains__
    chosen = settings(sets, wanted, options.data, options.fields)
    with shown(options.quiet, SettingBars) as listener:
        done = benchmark(chosen, asked, options.out, command, listener, chosen_executor(options, options.out))
    if done.table is not None:
        write_pages(options.out, options.out / "report.html", options.markdown, command)
    return tell_of_failures(done.failures)


def parse_sets(text: str) -> list[BenchmarkSet]:
    """Data sets of the study by their names, separated by commas; all for an empty text. Raises InputError."""
    known = {each.name: each for each in SETS}
    names = [word.strip() for word in text.split(",")] if text else list(known)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"--sets: expected some of {', '.join(known)}, found {unknown[0]!r}")
    return [each for name, each in known.items() if name in names]


def parse_budgets(text: str, sets: Sequence[BenchmarkSet]) -> Callable[[Budget], bool]:
    """Which budgets the words name: N% a share, N so many groups, few all but all labels, all. Raises InputError, also
    for one that none of the sets has."""
    wanted: list[Callable[[Budget], bool]] = []
    for word in (word.strip() for word in (text or "few,all").split(",")):
        if word in ("few", "all"):
            wanted.append(_is_all if word == "all" else _is_few)
        elif re.fullmatch(r"\d{1,9}(\.\d+)?%|[1-9]\d{0,8}", word):
            share = word.endswith("%")
            named = Budget(share=float(word[:-1]) / 100) if share else Budget(groups=int(word))
            if not any(named in each.budgets for each in sets):
                names = ", ".join(each.name for each in sets)
                raise InputError(f"--budgets: none of {names} has {word}; there are {_known_budgets(sets)}")
            wanted.append(named.__eq__)
        else:
            raise InputError(f"--budgets: expected few, all, N% or N, found {word!r}; there are {_known_budgets(sets)}")
    return lambda budget: any(fits(budget) for fits in wanted)


def _is_all(budget: Budget) -> bool:
    return budget.is_all


def _is_few(budget: Budget) -> bool:
    return not budget.is_all


def _known_budgets(sets: Sequence[BenchmarkSet]) -> str:
    budgets = list(dict.fromkeys(budget for each in sets for budget in each.few))
    words = [str(budget.groups) if budget.groups else f"{100 * budget.share:g}%" for budget in budgets]
    return ", ".join([*words, "all"])


def _quick_methods() -> str:
    return ",".join(name for name in QUICK_METHODS if name in METHODS)


class SettingBars(Listener):
    """A bar for the settings and one for each task that is on in a terminal; a line a setting everywhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._bars = progress, dict[str, TaskID]()

    def begin(self, task: str, total: int) -> None:
        unit = task if task in (SETTINGS, RUNS) else ""
        visible = self._progress.console.is_terminal
        self._bars[task] = self._progress.add_task(task, total=total, unit=unit, note="", visible=visible)

    def step(self, task: str, values: Values = NOTHING) -> None:
        self._progress.update(self._bars[task], advance=1)

    def end(self, task: str, problem: str = "") -> None:
        self._progress.remove_task(self._bars.pop(task))

    def say(self, line: str) -> None:
        self._progress.console.print(line, soft_wrap=True)
