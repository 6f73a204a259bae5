"""What was chosen on which sets before the study, and how methods do on the sets that took no part in it."""

from __future__ import annotations

from collections.abc import Sequence

from crossdistill.recipes.variants.benchmark import CHOSEN, CHOSEN_FOR_ITSELF, CHOSEN_ON, FEW_LABELS
from crossdistill.reports.benchmark.paired import STUDENT_ALONE, Pair, Side, Tests, evidence_of
from crossdistill.reports.benchmark.ranks import ranked
from crossdistill.reports.benchmark.results import Level, Setting
from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.formats import NONE, counted, interval, listed, points
from crossdistill.reports.sections import Section

_LEVELS: dict[Level, str] = {"few": "few labels", "all": "all labels"}


def chosen_before(settings: Sequence[Setting]) -> tuple[str, ...]:
    """Sentences on what the library's recipes owe to validation samples of the sets that are measured here."""
    sources = list(dict.fromkeys(setting.source for setting in settings))
    shared = [source for source in sources if source in CHOSEN_ON]
    own = [f"{source}: {CHOSEN_FOR_ITSELF[source]}" for source in sources if source in CHOSEN_FOR_ITSELF]
    sentences = []
    if shared:
        sentences.append(
            f"Options of {listed([*CHOSEN, *FEW_LABELS])} with few labels, the same on every set, were chosen before "
            f"the study on validation parts of the training splits of {listed(shared)}, those of the other methods "
            "were not, but for what follows. Test splits took no part."
        )
    if own:
        sentences.append(f"Chosen on a set's own validation parts, for its own recipe: {'; '.join(own)}.")
    chosen_on = {*CHOSEN_ON, *CHOSEN_FOR_ITSELF}
    in_turn = dict.fromkeys(setting.name for setting in settings if setting.folds and setting.source in chosen_on)
    if in_turn:
        sentences.append(
            f"Where the folds of {listed(list(in_turn))} are tested in turn, some test groups of that training split, "
            "which those choices had been measured on."
        )
    return tuple(sentences)


def untouched_section(settings: Sequence[Setting], tests: Tests, level: Level) -> Section | None:
    """Ranks and gains at one level of labels over the sets that no shared option was chosen on; None where these are
    all sets or none, or fewer than two methods are in each."""
    here = [setting for setting in settings if setting.level == level]
    kept = [setting for setting in here if setting.source not in CHOSEN_ON]
    found = ranked(kept) if len(kept) < len(here) else None
    if found is None:
        return None
    rows = []
    for rank, label in sorted(zip(found.ranking.average, found.labels, strict=True)):
        evidence = evidence_of(kept, Pair(Side(label), STUDENT_ALONE), tests)
        cells = (NONE,) * 4
        if evidence is not None:
            spread = interval(evidence.difference, evidence.half_width)
            cells = (points(evidence.difference), spread, str(evidence.better), str(evidence.worse))
        rows.append(Row((label, f"{rank:.2f}", *cells), "methods"))
    sets = list(dict.fromkeys(setting.name for setting in kept))
    note = (
        f"The ranks and gains of {counted(found.ranking.data_sets, 'data set')} alone, {listed(sets)}: those on whose "
        "validation parts no option was chosen that methods have on every set. Gains are in points, over the student "
        "alone, with 95 % intervals over these data sets. What was chosen on which sets stands at the end of the page."
    )
    columns = ("method", "average rank", "difference", "95 % CI", "better on", "worse on")
    return Section(
        f"untouched-{level}",
        f"Sets that no shared option was chosen on, {_LEVELS[level]}",
        ReportTable(columns, tuple(rows)),
        note,
    )
