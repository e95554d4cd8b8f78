"""Sources beside the hosts: the roster, mail journals."""
