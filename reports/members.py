"""A bundle's files by name, read one at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.errors import VerifyError
from reports import layout, statement
from reports.container import Archive
from reports.statement import Run


class _Members(Mapping[str, bytes]):
    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __getitem__(self, name: str) -> bytes:
        if name not in self._archive.names:
            raise KeyError(name)
        return self._archive.read(name, most=layout.MOST_JSON)

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.names)

    def __len__(self) -> int:
        return len(self._archive.names)


@contextmanager
def open_members(bundle: Path) -> Iterator[tuple[Mapping[str, bytes], str]]:
    """Give a bundle's files and the evidence root that its statement names.

    Nothing is verified here. Raises FormatError for a file that is no bundle, VerifyError when it cannot
    be read.
    """
    try:
        archive = Archive.open(bundle)
    except OSError as err:
        message = f"cannot read the bundle {bundle}: {err.strerror}"
        raise VerifyError(message) from err
    with archive:
        members = _Members(archive)
        if layout.RUN not in members:
            message = f"{bundle} holds no run.json"
            raise VerifyError(message)
        said = statement.decode(members[layout.RUN]).said
        if not isinstance(said, Run):
            message = f"{bundle} is not about a run"
            raise VerifyError(message)
        yield members, said.evidence.root
