"""Lineage by exact versions, and values that are taken away from their readers."""

from __future__ import annotations

import pytest

from flowstone.core.errors import AlreadyRunning
from flowstone.ledger.base import Dispatch
from tests.conformance.ledger_suite import APP, Book

GRAPH = {
    "source": (),
    "left": ("source",),
    "right": ("source",),
    "sink": ("left", "right"),
    "after": ("sink", "source"),
}


def make_graph(book: Book, who: Dispatch) -> dict[str, str]:
    """Make a diamond with a tail that also reads its source."""
    ids: dict[str, str] = {}
    for name, reads in GRAPH.items():
        ids[name] = book.make(who, book.want(name), {up: ids[up] for up in reads})
    return ids


def walk(
    book: Book, version: str, *, down: bool, depth: int | None = None
) -> list[tuple[str, int]]:
    rows = book.ledger.catalog.lineage(version, down=down, depth=depth)
    return [(r.version.asset.removeprefix(f"{APP}/"), r.depth) for r in rows]


def test_lineage_names_each_version_once_at_its_nearest(book: Book) -> None:
    """Up and down a diamond each version is there once, the nearest first (LIN-06)."""
    ids = make_graph(book, book.run())

    up, down = (
        walk(book, ids["after"], down=False),
        walk(book, ids["source"], down=True),
    )

    assert up == [("sink", 1), ("source", 1), ("left", 2), ("right", 2)]
    assert down == [("after", 1), ("left", 1), ("right", 1), ("sink", 2)]
    assert walk(book, ids["source"], down=False) == []
    assert walk(book, "nothing", down=True) == []


def test_lineage_stops_at_a_depth(book: Book) -> None:
    """So many steps are gone, and no more."""
    ids = make_graph(book, book.run())

    near = walk(book, ids["sink"], down=False, depth=1)

    assert near == [("left", 1), ("right", 1)]
    assert walk(book, ids["sink"], down=False, depth=0) == []
    assert len(walk(book, ids["sink"], down=False, depth=2)) == 3


def test_lineage_is_that_of_an_exact_version(book: Book) -> None:
    """Each run's version has its own lineage; readers see the newest."""
    old, new = make_graph(book, book.run("one")), make_graph(book, book.run("two"))

    rows = book.ledger.catalog.lineage(old["sink"], down=False, depth=None)
    impact = book.ledger.catalog.lineage(old["source"], down=True, depth=None)

    assert {r.version.id for r in rows} == {old["left"], old["right"], old["source"]}
    assert not any(r.current for r in (*rows, *impact))
    assert all(
        r.current
        for r in book.ledger.catalog.lineage(new["source"], down=True, depth=None)
    )


def test_what_was_made_from_an_old_value_is_still_seen(book: Book) -> None:
    """Impact is what readers see now that was made from a version, new or old."""
    ids = make_graph(book, book.run("one"))
    book.make(book.run("two"), book.want("left"), {"other": "version"})

    rows = book.ledger.catalog.lineage(ids["source"], down=True, depth=None)

    seen = {r.version.asset.removeprefix(f"{APP}/"): r.current for r in rows}
    assert seen == {"left": False, "right": True, "sink": True, "after": True}


def test_a_long_chain_is_walked_to_its_end(book: Book) -> None:
    """Three hundred steps up are three hundred versions."""
    who, made = book.run(), ""
    for number in range(300):
        want = book.want(f"a{number:03}")
        made = book.make(who, want, {"up": made} if made else {})

    found = walk(book, made, down=False)

    assert found == [(f"a{n:03}", 299 - n) for n in reversed(range(299))]


def test_versions_of_a_value_are_listed_newest_first(book: Book) -> None:
    """All that a value ever was can be found by its id."""
    ids = [book.make(book.run(f"w{n}"), book.want("raw")) for n in range(3)]
    catalog = book.ledger.catalog

    assert [v.id for v in catalog.versions(f"{APP}/raw", "-")] == ids[::-1]
    old = catalog.version(f"{APP}/raw", "-", ids[0])
    assert old is not None
    assert old.id == ids[0]
    assert catalog.version(f"{APP}/another", "-", ids[0]) is None


# --- invalidation -------------------------------------------------------------------


def invalidate(book: Book, name: str, *, cascade: bool = False) -> list[str]:
    gone = book.ledger.catalog.invalidate(
        f"{APP}/{name}", "-", cascade=cascade, actor="ann"
    )
    return [asset.removeprefix(f"{APP}/") for asset, _ in gone]


def test_a_value_is_taken_away_and_its_versions_stay(book: Book) -> None:
    """Readers see nothing; the history is as it was."""
    ids = make_graph(book, book.run())

    assert invalidate(book, "sink") == ["sink"]
    assert invalidate(book, "sink") == []
    assert book.current("sink") is None
    assert book.current("after") is not None
    old = book.ledger.catalog.version(f"{APP}/sink", "-", ids["sink"])
    assert old is not None
    [entry] = book.ledger.catalog.audit(APP, subject=f"{APP}/sink@-")
    assert (entry.actor, entry.action) == ("ann", "value.invalidate")


def test_a_cascade_takes_what_was_made_from_it(book: Book) -> None:
    """All that readers see and that came from a value goes with it; nothing else."""
    ids = make_graph(book, book.run())
    book.make(book.run("two"), book.want("right"), {"other": "v"})

    gone = invalidate(book, "left", cascade=True)

    assert gone == ["after", "left", "sink"]
    assert book.current_id("source") == ids["source"]
    assert book.current("right") is not None


def test_a_value_that_is_being_made_is_not_taken_away(book: Book) -> None:
    """While a run makes one of the values meant, all of them stay."""
    ids = make_graph(book, book.run())
    other = book.run("other")
    book.claim(other, book.want("sink"))

    with pytest.raises(AlreadyRunning, match=other.run):
        invalidate(book, "source", cascade=True)

    assert book.current_id("source") == ids["source"]
    assert book.ask("SELECT asset FROM flowstone_claims") == [(f"{APP}/sink",)]


def test_a_value_that_is_held_may_be_taken_away(book: Book) -> None:
    """A gate does not keep the old value; what is published later is seen."""
    book.make(book.run("one"), book.want("raw"))
    who = book.run("two")
    book.hold(who, book.want("raw"))

    assert invalidate(book, "raw") == ["raw"]
    made = book.make(who._replace(dispatch=2), book.want("raw", gate="g"))

    assert book.current_id("raw") == made


def test_a_value_that_is_made_after_is_seen(book: Book) -> None:
    """What was taken away is made again by the next that wants it."""
    book.make(book.run("one"), book.want("raw"))
    invalidate(book, "raw")

    claimed = book.claim(book.run("two"), book.want("raw", missing=True))
    assert claimed.attempt is not None
    book.end(book.run("three"))
    assert book.current("raw") is None
