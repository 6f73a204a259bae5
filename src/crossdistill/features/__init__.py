"""Modalities encoded once by published weights, kept as features."""
