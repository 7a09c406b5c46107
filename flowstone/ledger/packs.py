"""The protocol of a step: open, then commit (each one transaction).

Opening takes claims, draws a fence and writes attempts, so that what comes to be
stored can be found. Committing locks the claims, checks the fence, and makes versions
visible together with all that is said of them. A claim never outlives its step.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from flowstone.ledger.attempts import break_attempts
from flowstone.ledger.base import Commit, Dispatch, Opened, Wanted
from flowstone.ledger.claims import free, lock_claims
from flowstone.ledger.committing import Verdicts, commit_pack, find_commit
from flowstone.ledger.database import Database
from flowstone.ledger.opening import open_pack
from flowstone.ledger.turn import Turn

__all__ = ["Packs"]


class Packs:
    """Opens and commits packs.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

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
                conn, self._dialect, who, pipeline=pipeline, wanted=wanted, rerun=rerun
            )
        )

    def commit(self, who: Dispatch, pipeline: str, commit: Commit) -> Verdicts:
        """Make values visible, and write down all that is said with them.

        Where the connection is lost in the commit itself, the ledger is asked what
        became of it: it is taken as it is, or done again.

        Args:
            who: the dispatch that asks.
            pipeline: the app's name.
            commit: what is committed together.

        Returns:
            For each cell of `making` and `holding` what became of it: `committed` or
            `held`; `made` where this run had a version already; `superseded`; or
            `left` where it was made from one of those two. Of the other cells, those
            that were refused.
        """
        return self._database.transact(
            lambda conn: commit_pack(conn, self._dialect, who, pipeline, commit),
            ask=lambda conn: find_commit(conn, self._dialect, who, pipeline, commit),
        )

    def drop(self, who: Dispatch, pipeline: str) -> None:
        """Give up an attempt at a pack that the world around it has broken.

        Its open attempts end as `broken`, which counts for nothing, and its claims
        are free.
        """

        def work(conn: Connection) -> None:
            turn = Turn.take(conn, self._dialect, pipeline)
            locked = lock_claims(turn, who)
            break_attempts(turn, who)
            free(turn, who, locked)

        self._database.transact(work)
