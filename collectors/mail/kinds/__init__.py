"""Readers of file kinds that can be protected; they run in the limited worker only."""
