"""The command line, the run pipeline and the schedule: the one place that prints, exits, reads the clock."""
