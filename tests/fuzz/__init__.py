"""Mutated files and options: each ends in one line or a right answer, within 1 GB and some seconds.

`make test-fuzz CASES=10000` tries more; `python -m tests.fuzz SUBJECT NUMBER` tries one again. See `case.py`.
"""
