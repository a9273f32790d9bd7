"""The JSON Schema of a design, for editors and for tools that don't speak Python."""

from __future__ import annotations

import json
from typing import Any

from architecture.design import Design

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a whole design: of the merged tree, without ``extends``.

    It says what a single key may hold. Rules between keys (sites that must exist, the lease's
    arithmetic, names in the catalogue) are checked by :func:`architecture.load_design` alone.
    """
    return {"$schema": DIALECT, **Design.model_json_schema(mode="validation")}


def published_schema() -> str:
    """The schema as ``docs/design.schema.json`` holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
