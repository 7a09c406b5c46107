"""The same verbs without `await`: one loop in the background serves them all."""
from __future__ import annotations
class SyncOpening:
    def __init__(self, enter): ...
