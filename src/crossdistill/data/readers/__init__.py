"""From media files to samples: video, sound, text. Arrays have columns of their own."""

from crossdistill.data.readers.audio import AudioReader
from crossdistill.data.readers.cache import CacheFolder
from crossdistill.data.readers.media import Clip, MediaColumn, UnreadableError
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.data.readers.text import TextColumn
from crossdistill.data.readers.video import VideoReader

__all__ = [
    "AudioReader",
    "CacheFolder",
    "Clip",
    "MediaColumn",
    "ReaderSettings",
    "TextColumn",
    "UnreadableError",
    "VideoReader",
]
