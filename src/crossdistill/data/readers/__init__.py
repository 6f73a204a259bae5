"""From media files to samples: video, sound, pictures, text. Arrays have columns of their own."""

from collections.abc import Callable

from crossdistill.data.readers.audio import AudioReader
from crossdistill.data.readers.cache import CacheFolder
from crossdistill.data.readers.media import Clip, ClipReader, MediaColumn, MediaKind, UnreadableError
from crossdistill.data.readers.picture import PictureReader
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.data.readers.text import TextColumn
from crossdistill.data.readers.video import VideoReader

READERS: dict[MediaKind, Callable[[ReaderSettings, CacheFolder], ClipReader]] = {
    "video": VideoReader,
    "audio": AudioReader,
    "picture": PictureReader,
}
"""What reads the files of each kind."""

__all__ = [
    "READERS",
    "AudioReader",
    "CacheFolder",
    "Clip",
    "MediaColumn",
    "PictureReader",
    "ReaderSettings",
    "TextColumn",
    "UnreadableError",
    "VideoReader",
]
