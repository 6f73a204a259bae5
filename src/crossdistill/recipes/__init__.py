"""Typed experiments: what is trained on what, and how a run is carried out and kept."""
