"""Readers of mail journals: messages in, digests and counts out."""
