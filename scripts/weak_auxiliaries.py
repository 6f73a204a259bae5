"""Train the pairs of modalities that the benchmark leaves out: auxiliaries that know less than the target, or no more.

    python scripts/weak_auxiliaries.py --data data --out runs/weak

`scripts/calibrate_diagnosis.py` holds the verdicts of `crossdistill diagnose` against what this and the benchmark gave.
Writes OUT/results.parquet; finished runs are kept. Needs mfeat and leaves as `crossdistill prepare` makes them in
DATA.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from crossdistill import Recipe, compare
from crossdistill.recipes.library import bundled, released
from crossdistill.recipes.variants.benchmark import Budget
from crossdistill.recipes.variants.controls import controlled

TENTH, QUARTER, TWO = Budget(0.1), Budget(0.25), Budget(groups=2)


@dataclass(frozen=True)
class Case:
    """A recipe of the library with other modalities and a label budget."""

    name: str
    base: Recipe
    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    budget: Budget

    def recipe(self, data: Path) -> Recipe:
        source = self.base.data.source
        settings = replace(
            self.base.data,
            source=source if source in ("emoji", "watch") else str(data / Path(source).name),
            target=self.target,
            auxiliary=self.auxiliary,
            labelled=self.budget.share,
            labelled_groups=self.budget.groups,
        )
        given = self.base.model.encoders
        like = next(iter(given.values()))  # what is a target now wants an encoder that learns
        encoders = {name: given.get(name, like) for name in (*self.target, *self.auxiliary)}
        encoders |= {name: like for name in self.target if encoders[name].kind == "features"}
        model = replace(self.base.model, encoders=encoders, auxiliary_encoders="trained")
        return replace(self.base, name=self.name, data=settings, model=model)


CASES = (
    Case("mfeat_morphology", released.mfeat(), ("fou",), ("mor",), TENTH),
    Case("leaves_shape", released.leaves(), ("texture",), ("shape",), QUARTER),
    Case("mfeat_correlations", released.mfeat(), ("fac",), ("fou",), TENTH),
    Case("leaves_margin", released.leaves(), ("margin",), ("shape",), QUARTER),
    Case("mfeat_pixels", released.mfeat(), ("pix",), ("zer",), TENTH),
    Case("watch_accelerometer", bundled.watch(), ("accelerometer",), ("gyroscope",), TWO),
    Case("emoji_words", bundled.emoji(), ("name",), ("picture",), TENTH),
)
"""The auxiliary is the weaker, or much the same, as the target."""


def configurations(recipe: Recipe) -> list[Recipe]:
    """The student alone, AMID-U, and AMID-U with nothing to see."""
    made = [replace(recipe, method=method) for method in ("baseline", "amid_u")]
    return [*made, controlled(recipe, "amid_u", "zeroed auxiliary")]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/weak"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    options = parser.parse_args(arguments)
    tables = []
    for case in CASES:
        if case.name not in options.cases.split(","):
            continue
        compared = compare(configurations(case.recipe(options.data)), options.out / case.name, seeds=options.seeds)
        if compared.table is not None:
            places = {"set": case.name, "budget": case.budget.words("group")}
            tables.append(compared.table.assign(**places))
            print(case.name, compared.table.groupby("label").student_top1.mean().round(3).to_dict(), flush=True)
    if tables:
        pd.concat(tables, ignore_index=True).to_parquet(options.out / "results.parquet")


if __name__ == "__main__":
    main()
