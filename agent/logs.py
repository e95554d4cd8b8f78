"""structlog on standard error: for people, as JSON lines, or with journald's priorities."""

import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""sd-daemon(3) prefixes: systemd reads `<4>` at a line's start as its priority"""


def configure(verbosity: int, shape: str) -> None:
    """Set up logging once, for the whole process; -v says more, -vv everything."""
    level = _LEVELS[min(verbosity, len(_LEVELS) - 1)]
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Processor
    match shape:
        case "json":
            last = structlog.processors.JSONRenderer(sort_keys=True)
        case "journald":
            last = _journald
        case _:
            last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*common, _harmless, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )


class _StandardError:
    """Standard error as it is when a line is written: a bar that is shown puts itself below the line."""

    def write(self, text: str) -> int:
        """Write it there."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it there."""
        sys.stderr.flush()


def _harmless(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Values may come from hosts: no escape sequence reaches a terminal, no newline forges a line."""
    from reports.display import visible  # noqa: PLC0415 (only when something is logged)

    plain = (bool, int, float, type(None))
    return {
        key: value if isinstance(value, plain) or key == "exc_info" else visible(str(value))
        for key, value in event.items()
    }


def _journald(logger: WrappedLogger, name: str, event: EventDict) -> str:  # noqa: ARG001
    """Write one line with its priority; journald adds the time itself."""
    level = str(event.pop("level", "info"))
    event.pop("timestamp", None)
    what: Any = event.pop("event", "")
    words = " ".join(f"{key}={value}" for key, value in sorted(event.items()))
    return f"<{_PRIORITY.get(level, 6)}>{what} {words}".rstrip()
