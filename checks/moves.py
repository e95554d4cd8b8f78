"""Who moved to another post, and what is declared about it."""

from datetime import date

from msgspec import Struct

from checks.model import Result
from checks.scene import Scene
from checks.text import Text, say
from collectors.sources.roster import Person
from config.model import DataStore, Post, folded

EXPECTED = say("only what the new post needs")


class Move(Struct, frozen=True, kw_only=True):
    """A person who moved, once the former post's access is due to be closed."""

    day: date
    posts: tuple[Post, ...]
    """the new one; more than one where the roster has several"""
    undeclared: tuple[str, ...]
    """new posts, as the roster calls them, of which nothing is declared"""

    def needs(self, store: DataStore) -> bool:
        """Whether the new post needs a store."""
        return bool({folded(it.name) for it in self.posts} & {folded(it) for it in store.posts})

    @property
    def comparable(self) -> bool:
        """Whether all that the new post needs is declared; else what is kept can only be warned of."""
        return bool(self.posts) and not self.undeclared

    @property
    def result(self) -> Result:
        """What something that the declared posts do not need amounts to."""
        return Result.FAIL if self.comparable else Result.WARN

    def kept(self, name: str, what: str) -> Text:
        """Say what somebody keeps, or what has to be declared before that can be judged."""
        day = self.day.isoformat()
        if self.comparable:
            return say(
                "{name} moved on {day} and keeps what the new post does not need: {what}",
                name=name,
                day=day,
                what=what,
            )
        if self.undeclared:
            return say(
                "{name} moved on {day} to {post}: declare under [[post]] what that post needs",
                name=name,
                day=day,
                post=", ".join(self.undeclared),
            )
        return say(
            "{name} moved on {day}: the roster does not name the new post, see [roster.columns]",
            name=name,
            day=day,
        )


def move_of(scene: Scene, person: Person) -> Move | None:
    """Return a person's move; None when there was none, or not long enough ago."""
    day = person.transferred_on
    if day is None or scene.clock.end_of(day) + scene.numbers.disable_within > scene.view.now:
        return None
    named = {folded(it): it for it in person.posts}
    posts = tuple(it for it in scene.target.posts if folded(it.name) in named)
    declared = {folded(it.name) for it in posts}
    return Move(day=day, posts=posts, undeclared=tuple(named[it] for it in sorted(set(named) - declared)))
