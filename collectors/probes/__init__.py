"""Questions to a host: `NAME.sh`, a section of the one script, beside `NAME.py`, its reader."""
