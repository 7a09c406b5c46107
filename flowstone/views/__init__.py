"""The nouns of the client that hold verbs of their own."""

from __future__ import annotations

from flowstone.views.approvals import ApprovalEntry, Approvals
from flowstone.views.audit import Audit
from flowstone.views.bell import Bell
from flowstone.views.gates import Gates
from flowstone.views.lineage import Lineage, LineageEntry
from flowstone.views.runs import Runs
from flowstone.views.status import AssetStatus, StatusWord, status_of

__all__ = [
    "ApprovalEntry",
    "Approvals",
    "AssetStatus",
    "Audit",
    "Bell",
    "Gates",
    "Lineage",
    "LineageEntry",
    "Runs",
    "StatusWord",
    "status_of",
]
