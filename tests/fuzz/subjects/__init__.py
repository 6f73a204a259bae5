"""What is mutated, by name."""

from __future__ import annotations

from tests.fuzz.case import Subject
from tests.fuzz.subjects import arrays, bombs, inputs, manifests, media, options, recipes, releases, runs

SUBJECTS: dict[str, Subject] = {
    "manifest": manifests.CSV,
    "parquet": manifests.PARQUET,
    "npy": arrays.NPY,
    "recipe": recipes.RECIPES,
    "options": options.OPTIONS,
    "media": media.MEDIA,
    "run": runs.RUNS,
    "release": releases.RELEASES,
    "predict": inputs.INPUTS,
    **bombs.NAMED,
}
