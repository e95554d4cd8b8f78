"""Pure judgement: facts, settings and a clock value in, findings out; one file a safeguard."""
