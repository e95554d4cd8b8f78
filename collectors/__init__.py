"""Asking: transports, host probes, sources, and the evidence and fact types they yield."""
