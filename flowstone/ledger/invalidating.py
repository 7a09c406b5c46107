"""Taking values away from their readers; their versions stay."""

from __future__ import annotations

from sqlalchemy import select, update

from flowstone.core.errors import AlreadyRunning
from flowstone.ledger.audit import write_audit
from flowstone.ledger.claims import Place, release, seize
from flowstone.ledger.fences import draw_fence, keep_above
from flowstone.ledger.lineage import read_lineage
from flowstone.ledger.schema import pointers
from flowstone.ledger.turn import Turn

__all__ = ["invalidate"]


def invalidate(turn: Turn, place: Place, *, cascade: bool, actor: str) -> list[Place]:
    """Take values away within a transaction; see `Catalog.invalidate`."""
    places = _places(turn, place, cascade=cascade)
    seized, owners = seize(turn, places)
    for (asset, key), (run, gate) in owners.items():
        # What waits at a gate takes its claim anew when it is settled.
        if not gate:
            name = asset.split("/", 1)[-1]
            raise AlreadyRunning(asset=name, partition=key, run_id=run)
    gone = turn.conn.execute(
        update(pointers)
        .where(
            turn.dialect.pairs(pointers.c.asset, pointers.c.key, places),
            pointers.c.version.is_not(None),
        )
        .values(version=None, fence=_fence(turn, places), moved_at=turn.at)
        .returning(pointers.c.asset, pointers.c.key)
    )
    found = sorted((asset, key) for asset, key in gone)
    release(turn, seized)
    subjects = [f"{asset}@{key}" for asset, key in found]
    data = {"cascade": cascade}
    write_audit(turn, "value.invalidate", subjects, actor=actor, data=data)
    return found


def _places(turn: Turn, place: Place, *, cascade: bool) -> list[Place]:
    """Give what is meant: a value, and with it what readers see that is made of it."""
    asset, key = place
    query = select(pointers.c.version).where(
        pointers.c.asset == asset, pointers.c.key == key
    )
    version = turn.conn.execute(query).scalar()
    if not cascade or version is None:
        return [place]
    rows = read_lineage(turn.conn, turn.dialect, version, down=True)
    found = {(r.version.asset, r.version.key) for r in rows if r.current}
    return sorted({place, *found})


def _fence(turn: Turn, places: list[Place]) -> int:
    """Draw a fence above those of the pointers; their claims are ours."""
    fence = draw_fence(turn)
    query = select(pointers.c.fence).where(
        turn.dialect.pairs(pointers.c.asset, pointers.c.key, places)
    )
    seen = max(turn.conn.execute(query).scalars(), default=0)
    if seen < fence:
        return fence
    keep_above(turn, seen)
    return draw_fence(turn)
