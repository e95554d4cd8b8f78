"""The one place that reads the wall clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]


def now() -> datetime:
    """The time in UTC, in whole seconds: what goes into signed documents has no fractions."""
    return datetime.now(UTC).replace(microsecond=0)
