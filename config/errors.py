"""The errors of Tenken: what went wrong, and what the operator does next."""


class TenkenError(Exception):
    """Base of all our errors.

    ::

        TenkenError                     exit status
        ├── ConfigError                 2   what was declared is wrong; nothing was contacted
        │   └── RosterError             2   the HR list cannot be read as it is
        ├── StoreLockedError            75  another run holds the state folder
        ├── StoreError                  2   the state folder is damaged or cannot be written
        ├── SealError                   2   the signing key is missing, locked or wrong
        ├── VerifyError                 2   a file needed to verify is missing or unreadable
        ├── FormatError                 5   bytes from outside are not in the one form allowed
        ├── TransportError              3   one host could not be asked (stays with that host)
        └── ParseError                  3   one answer could not be read (stays with that answer)

    Only the command line turns errors into words and exit statuses.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(TenkenError):
    """What was declared is wrong; nothing was contacted."""

    exit_code = 2


class RosterError(ConfigError):
    """The HR list cannot be read as it is; the message names file, row and column."""


class StoreLockedError(TenkenError):
    """Another run holds the state folder (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class StoreError(TenkenError):
    """The state folder is damaged or cannot be written."""

    exit_code = 2


class SealError(TenkenError):
    """The signing key is missing, locked or wrong."""

    exit_code = 2


class VerifyError(TenkenError):
    """A file needed to verify is missing or unreadable."""

    exit_code = 2


class FormatError(TenkenError):
    """Bytes of a bundle, a log or a note are not in the one form allowed."""

    exit_code = 5


class TransportError(TenkenError):
    """One host could not be asked; stays with that host."""

    exit_code = 3


class ParseError(TenkenError):
    """One answer could not be read; stays with that answer."""

    exit_code = 3
