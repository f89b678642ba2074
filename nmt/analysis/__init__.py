"""Scores, links and pictures: knows text, matrices and numbers, no models."""
