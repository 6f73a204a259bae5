"""What a manifest keeps of a data set: refused where it would give back something else, told where it has no place."""

from __future__ import annotations

from collections.abc import Iterable

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.inputs import input_spec
from crossdistill.data.labels import few_of, natural_order
from crossdistill.data.readers import TextColumn
from crossdistill.data.targets import is_labelled
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError


def require_kept(dataset: MultimodalDataset) -> None:
    """Raise InputError for names that would be read back as others, or as none: cells are read without space around
    them, so that classes "a" and " a" would be one."""
    names = _used(dataset) if dataset.task == "classification" else dataset.classes
    for what, texts in (("ids", dataset.ids), ("classes", names), ("groups", dataset.groups.tolist())):
        if odd := [text for text in texts if not text or text != text.strip()]:
            raise InputError(
                f"{what}: expected names without space at their ends, which a manifest does not keep, found {odd[0]!r}"
            )


def not_kept(dataset: MultimodalDataset) -> list[str]:
    """What else a manifest has no place for, in words."""
    columns = dataset.columns.items()
    lost = [f"the names of {name}'s columns" for name, column in columns if input_spec(column).features]
    texts = [(name, content) for name, column in columns if isinstance(content := content_of(column), TextColumn)]
    texts_of = {name: map(content.text, range(len(content))) for name, content in texts}
    lost += [f"the space at the ends of {name}" for name, given in texts_of.items() if _have_space(given)]
    if dataset.licence:
        lost.append("the licence")
    if dataset.task == "classification":
        used = _used(dataset)
        if unused := [name for name in dataset.classes if name not in used]:
            lost.append(f"classes that no sample has ({few_of(list(map(repr, unused)), 3)})")
        if used != natural_order(used):
            lost.append("the order of classes")
    return lost


def _used(dataset: MultimodalDataset) -> list[str]:
    """The classes that samples have, in the data set's order."""
    numbers = set(dataset.labels[is_labelled(dataset.labels)].tolist())
    return [name for number, name in enumerate(dataset.classes) if number in numbers]


def _have_space(texts: Iterable[str]) -> bool:
    return any(text != text.strip() for text in texts)
