"""The protocol of a step: open, then commit (each one transaction).

Opening takes claims, draws a fence and writes attempts, so that what comes to be
stored can be found. Committing locks the claims, checks the fence, and makes versions
visible together with all that is said of them. A claim never outlives its step.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowstone.ledger.base import Commit, Dispatch, Opened, Wanted
from flowstone.ledger.committing import commit_pack
from flowstone.ledger.database import Database
from flowstone.ledger.opening import open_pack

__all__ = ["Packs"]


class Packs:
    """Opens and commits packs.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self, who: Dispatch, pipeline: str, wanted: Sequence[Wanted], *, rerun: bool
    ) -> Opened:
        """Take what may be made now, and read what it is made from.

        Args:
            who: the dispatch that asks.
            pipeline: the app's name.
            wanted: the cells to make, in order.
            rerun: whether this is a pack's second attempt, which runs nothing: its
                open attempts end as lost, its claims are let go.
        """
        return self._database.transact(
            lambda conn: open_pack(
                conn,
                self._database.dialect,
                who,
                pipeline=pipeline,
                wanted=wanted,
                rerun=rerun,
            )
        )

    def commit(
        self, who: Dispatch, pipeline: str, commit: Commit
    ) -> dict[tuple[int, int], str]:
        """Make values visible, and write down all that is said with them.

        Args:
            who: the dispatch that asks.
            pipeline: the app's name.
            commit: what is committed together.

        Returns:
            For each cell of `making` and `holding` what became of it: `committed` or
            `held`; `made` where this run had a version already; `superseded`; or
            `left` where it was made from one of those two.
        """
        return self._database.transact(
            lambda conn: commit_pack(
                conn, self._database.dialect, who, pipeline, commit
            )
        )
