"""Seal, log, verify and show what a run found; works offline."""
