"""What the component exports of itself: the description of the type in `app.py`."""

import json

import sdk.no_chance  # noqa: F401, I001 (before the type takes names of it)
import app
from sdk.build import BUILD
from wit_world import exports
from wit_world.imports import types


class OpBased(exports.OpBased):
    def describe(self) -> types.Description:
        about = app.ABOUT
        return types.Description(
            name=about.name,
            version=about.version + BUILD,
            summary=about.summary,
            command_schema=json.dumps(about.command_schema),
            query_schema=json.dumps(about.query_schema),
            value_schema=json.dumps(about.value_schema),
            event_schema=json.dumps(about.event_schema),
            writes=about.writes,
            reads=list(about.reads),
        )
