"""Tries one case again by its subject, number and seed, or many: `python -m tests.fuzz --cases 10000 --seed 1`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from tests.fuzz.case import tried
from tests.fuzz.pool import Worker, fuzz
from tests.fuzz.subjects import SUBJECTS

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
parser.add_argument("subject", nargs="?", choices=sorted(SUBJECTS))
parser.add_argument("number", nargs="?", type=int)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--cases", type=int, default=1000)
parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), help="these subjects' share of them")
parser.add_argument("--keep", type=Path, help="a new folder, where the mutated input is left, in this very process")
options = parser.parse_args()

sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
if options.subject is None:
    tally = fuzz(options.cases, options.seed, say=True, names=options.only)
    print(f"{tally}\n{len(tally.faults)} faults in {sum(tally.cases.values())} cases")
    sys.exit(bool(tally.faults))
if options.keep is not None:
    torch.set_num_threads(1)
    subject = SUBJECTS[options.subject]
    begun = options.keep / "begun"
    begun.mkdir(parents=True)
    print(tried(options.subject, subject, subject.begin(begun), options.number, options.seed, options.keep / "case"))
else:
    with Worker(options.seed) as worker:
        outcome = worker.tried(options.subject, options.number)
    print(f"{outcome.fault or 'right'}: {outcome.said}\n{outcome.seconds:.2f} s, {outcome.megabytes:.0f} MiB")
    sys.exit(bool(outcome.fault))
