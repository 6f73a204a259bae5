"""A trained student as a file that runs without this library."""

from crossdistill.exports.export import ENDINGS, Exported, Format, export

__all__ = ["ENDINGS", "Exported", "Format", "export"]
