"""paramiko, without what it would load for a word of ssh_config that it is never given to read."""

import sys

if "invoke" in sys.modules:
    import paramiko
else:
    # It does without `invoke`, which runs the commands of `Match exec` (we ask `ssh -G`) and costs a third
    # of its start-up.
    sys.modules["invoke"] = None  # type: ignore[assignment]  # so the import system is told that there is none
    try:
        import paramiko
    finally:
        del sys.modules["invoke"]

__all__ = ["paramiko"]
