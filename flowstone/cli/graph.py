"""The app's assets, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from flowstone.cli.loading import load
from flowstone.cli.parameters import App, AsJson
from flowstone.cli.show import emit, say

if TYPE_CHECKING:
    from flowstone.core.pipeline import Pipeline

__all__ = ["graph"]

Style = Annotated[
    str, typer.Option("--format", metavar="text|mermaid|dot", help="How it is drawn.")
]


def graph(app: App, style: Style = "text", as_json: AsJson = False) -> None:
    """Draw what needs what."""
    owner = load(app)
    wanted = cast("Literal['text', 'mermaid', 'dot']", style)  # it refuses others
    drawing = owner.pipeline.graph(wanted)
    if as_json:
        assets = [_asset_data(owner.pipeline, name) for name in owner.pipeline.order]
        emit({"app": owner.name, "assets": assets, "drawing": drawing})
    else:
        say(drawing)


def _asset_data(pipeline: Pipeline, name: str) -> dict[str, object]:
    asset = pipeline.assets[name]
    space = asset.options.partitions
    return {
        "name": name,
        "description": asset.description,
        "needs": [
            {"asset": n.asset, "parameter": n.parameter, "optional": n.optional}
            for n in pipeline.needs[name]
        ],
        "partitions": None if space is None else repr(space),
        "single": asset.is_single,
        "io": asset.options.io,
        "code": asset.code,
        "tags": dict(asset.options.tags),
    }
