"""The version of this package, which runs keep beside what they measured."""

__version__ = "0.2.0.dev0"
