"""Files that are whole or not there, also where several processes write the same one."""

from __future__ import annotations

import errno
import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from crossdistill.atomic import write_atomically, written_whole

LINES = 2000


def write(path: Path, word: str, together: Barrier, times: int) -> None:
    """Write the file again and again; whoever is second is told so."""
    together.wait()
    for _ in range(times):
        try:
            with written_whole(path) as file:
                for _ in range(LINES):
                    file.write(f"{word}\n".encode())
        except OSError as error:
            assert "another process is writing it" in str(error)  # noqa: PT017


def test_two_processes_never_make_one_file_of_both(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    path, together = tmp_path / "out.csv", context.Barrier(2)
    writers = [context.Process(target=write, args=(path, word, together, 150)) for word in ("ab", "longer")]
    for writer in writers:
        writer.start()
    seen = set[str]()
    while any(writer.is_alive() for writer in writers):
        if path.is_file():
            lines = path.read_text().splitlines()
            assert len(lines) == LINES
            assert len(set(lines)) == 1
            seen.add(lines[0])
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen
    assert [child.name for child in tmp_path.iterdir()] == ["out.csv"]


def test_the_second_writer_is_told_and_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with written_whole(path) as file:
        file.write(b"first")
        with pytest.raises(OSError, match="another process is writing it; wait until it has ended"):
            write_atomically(path, "second")
    assert path.read_bytes() == b"first"


def test_an_error_names_the_file_and_no_second_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match=r"No space left on device: '[^']*/out\.csv'$"):
        write_atomically(tmp_path / "out.csv", "whole")


def test_what_a_killed_writer_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "out.csv.partial").write_text("half a file that is longer than the next one")
    with written_whole(tmp_path / "out.csv") as file:
        assert file.tell() == 0, "formats that count their bytes, such as Parquet, begin to count here"
        file.write(b"whole")
    assert (tmp_path / "out.csv").read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_writer_may_go_back(tmp_path: Path) -> None:
    """As that of a zip archive does, which a file opened for appending would not let it."""
    for content in (b"earlier and longer", b"later"):
        with written_whole(tmp_path / "file") as file:
            file.write(b"?" + content[1:])
            file.seek(0)
            file.write(content[:1])
        assert (tmp_path / "file").read_bytes() == content


def test_a_link_stays_a_link_to_the_new_content(tmp_path: Path) -> None:
    (tmp_path / "2026.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to("2026.csv")
    write_atomically(tmp_path / "out.csv", "new")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "2026.csv").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """A file in the place of /dev/null would break the machine; a pipe stands for it here."""
    os.mkfifo(tmp_path / "out.csv")
    reader = os.open(tmp_path / "out.csv", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "out.csv", "content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert (tmp_path / "out.csv").is_fifo()
    assert [child.name for child in tmp_path.iterdir()] == ["out.csv"]
