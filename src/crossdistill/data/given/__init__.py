"""What somebody gives to be predicted, as files: media, folders of them, arrays, tables of features, manifests."""

from __future__ import annotations

from pathlib import Path

from crossdistill.data.folders import is_file, is_folder
from crossdistill.data.given.chunks import Chunk, Given, Specs
from crossdistill.data.given.files import archive_of, array_file_of, files_of, folder_of, one_file_of
from crossdistill.data.given.tables import table_of
from crossdistill.data.table import FILES
from crossdistill.types import InputError

__all__ = ["Chunk", "Given", "Specs", "given"]


def given(path: Path, specs: Specs, allow_outside: bool = False) -> Given:
    """What `path` holds for a student of these inputs; nothing is read yet but what it says of itself.

    Raises InputError where it is not there, holds no sample, or cannot be what the student takes.
    """
    found = _given(path, specs, allow_outside)
    if not found.count:
        raise InputError(f"{path}: expected samples, found none")
    return found


def _given(path: Path, specs: Specs, allow_outside: bool) -> Given:
    in_folder = is_folder(path)
    if not (in_folder or is_file(path)):
        raise InputError(f"{str(path)[:200]}: no such file or folder")
    if in_folder and (manifests := [path / name for name in FILES if (path / name).is_file()]):
        return table_of(manifests[0], specs, allow_outside)
    if in_folder:
        return folder_of(path, specs)
    if path.suffix.lower() in (".csv", ".parquet"):
        return table_of(path, specs, allow_outside)
    if path.suffix.lower() == ".npz":
        return archive_of(path, specs)
    if path.suffix.lower() == ".npy":
        return array_file_of(path, specs)
    return files_of([(str(path), one_file_of(path, specs))], specs, "")
