"""Repositories of the Hugging Face Hub, by its own client: files of known names and sizes, and one commit a push."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from crossdistill.extras import needed_for
from crossdistill.types import InputError, one_line


def is_repository(name: Path | str) -> bool:
    """Whether this is a name that a repository of the Hub may have: `owner/name`, at most 96 characters."""
    return len(str(name)) <= 96 and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(name)) is not None


def fetched(repository: str, most: Mapping[str, int], revision: str | None, token: str | None) -> Path:
    """The folder of the Hub's cache that has these files of a repository; all others are left there.

    most: file, or pattern of files -> the bytes that one may have. Without a connection, what the cache has.
    Raises InputError where there is no such repository or revision, and for a larger file, before it is read.
    """
    with needed_for("the Hugging Face Hub"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import DryRunError

    asked: dict[str, Any] = {"revision": revision, "token": token, "allow_patterns": [*most]}
    with _told(repository):
        try:
            found = snapshot_download(repository, **asked, dry_run=True)
        except DryRunError:  # it cannot be asked, for which the next call has the reason, or files in the cache
            found = []
        for file in found:
            limit = max(most[pattern] for pattern in most if fnmatchcase(file.filename, pattern))
            if (file.file_size or 0) > limit:
                raise InputError(
                    f"{repository}: {file.filename}: expected at most {limit:,} bytes, found {file.file_size:,}"
                )
        return Path(snapshot_download(repository, **asked))


def pushed(folder: Path, repository: str, message: str, private: bool | None, token: str | None) -> str:
    """Put a folder's files into a repository, which is made where there is none, and return the commit's address.

    In one commit, so that nobody fetches the config of one student with the weights of another.
    Raises InputError where the Hub refuses.
    """
    with needed_for("the Hugging Face Hub"):
        from huggingface_hub import CommitOperationAdd, HfApi

    if not is_repository(repository):
        raise InputError(f"{repository!r}: expected a repository's name, owner/name")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with _told(repository):
        hub = HfApi(token=token)
        hub.create_repo(repository, private=private, exist_ok=True)
        added = [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files]
        return str(hub.create_commit(repository, added, commit_message=message).commit_url)


@contextmanager
def _told(repository: str) -> Iterator[None]:
    """Whatever goes wrong between here and the Hub, as one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of the client, of HTTP, of the disk
        raise InputError(f"{repository}: on the Hugging Face Hub: {one_line(error)[:300]}") from error
