"""Whether a folder's disk locks for all machines that see it, as its mount says."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
"""Linux's table: device, place, type, options."""

_BUCKETS = ("s3fs", "goofys", "gcsfuse", "mountpoint-s3", "rclone", "blobfuse", "geesefs")


def locking_alone(folder: Path, mounts: Path = MOUNTS) -> str:
    """Why locks in the folder keep away processes of this machine alone; empty where its mount does not say so.

    NFS locks for all machines unless it was mounted otherwise, and so do Lustre, GPFS and CephFS; a mounted bucket
    does not. Disks of one machine are not looked for: a folder there is not seen by others in the first place.

    >>> from pathlib import Path
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "mounts"
    >>> _ = table.write_text("server:/ /data nfs4 rw,local_lock=all 0 0\\n")
    >>> locking_alone(Path("/data/runs"), table)
    'its disk (nfs4, local_lock=all) locks for this machine alone'
    """
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    place = folder.resolve()
    above = [line for line in lines if len(line) > 3 and place.is_relative_to(line[1].replace("\\040", " "))]
    if not above:
        return ""
    _, _, kind, options, *_ = max(above, key=lambda line: len(line[1]))
    told = [option for option in options.split(",") if option in _local_options(kind)]
    if told or any(name in kind for name in _BUCKETS):
        return f"its disk ({', '.join([kind, *told])}) locks for this machine alone"
    return ""


def _local_options(kind: str) -> tuple[str, ...]:
    if kind.startswith("nfs"):
        return ("nolock", "local_lock=flock", "local_lock=all")
    return ("localflock",) if kind == "lustre" else ()
