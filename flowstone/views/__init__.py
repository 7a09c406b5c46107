"""The nouns of the client that hold verbs of their own."""

from __future__ import annotations

from flowstone.views.approvals import ApprovalEntry, Approvals
from flowstone.views.audit import Audit
from flowstone.views.bell import Bell
from flowstone.views.gates import Gates
from flowstone.views.lineage import Lineage, LineageEntry
from flowstone.views.runs import Runs
from flowstone.views.schedules import Schedules
from flowstone.views.sensors import Preview, Sensors, SensorStatus
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
    "Preview",
    "Runs",
    "Schedules",
    "SensorStatus",
    "Sensors",
    "StatusWord",
    "status_of",
]
