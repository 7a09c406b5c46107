"""How messages are written into payloads: as JSON, by their types.

Temporal makes a converter for each workflow, and pydantic's builds what reads a type
for each converter. The types of the house are few and stay as they are: here, what
reads one is built once for the whole process.
"""

from __future__ import annotations

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

__all__ = ["Payloads", "data_converter"]


class Payloads(CompositePayloadConverter):
    """Writes as pydantic's converter does; all instances share what they have built."""

    def __init__(self) -> None:
        super().__init__(*_SHARED)


_SHARED = tuple(PydanticPayloadConverter().converters.values())

data_converter = DataConverter(payload_converter_class=Payloads)
"""What a client has that brings no converter of its own."""
