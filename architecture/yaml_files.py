"""Strict YAML: no repeated keys, and numbers and truth values as people write them.

PyYAML reads YAML 1.1, where ``10e9`` is a string and ``on`` is true. Both would surprise here:
bandwidths are written with exponents, and ``on`` is a value of PostgreSQL's ``synchronous_commit``.
"""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from architecture.errors import InputError

BOOLEAN = "tag:yaml.org,2002:bool"
FLOAT = "tag:yaml.org,2002:float"

# PyYAML's constructors let Python's own errors through, for example for `!!bool x` or `0x_`.
_PARSE_ERRORS = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError)


class _StrictLoader(yaml.SafeLoader):
    """Safe loader in which a key given twice is an error, not a silent overwrite."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        text = super().construct_scalar(node)
        if isinstance(text, str):
            text.encode("utf-8")  # refuses half a surrogate pair, which no file could hold again
        return text

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain word", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(BOOLEAN, re.compile(r"^(?:true|false)$"), list("tf"))
_StrictLoader.add_implicit_resolver(
    FLOAT, re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    """Kept, because the few texts there are come often and a design's takes a quarter second."""
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506


def _in_words(error: Exception) -> str:
    """What is wrong and on which line, counted from 1, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error)


def parse_yaml(text: str, *, where: str, key: str = "") -> Any:
    """Parse YAML text; ``where`` and ``key`` say in an error where the text came from.

    Raises:
        InputError: when it is not YAML or repeats a key.
    """
    try:
        return copy.deepcopy(_parsed(text))
    except RecursionError:
        raise InputError(
            "is not valid YAML: it is nested too deeply", where=where, key=key
        ) from None
    except _PARSE_ERRORS as error:
        raise InputError(f"is not valid YAML: {_in_words(error)}", where=where, key=key) from None


def read_yaml(path: Path) -> Any:
    """Parse one YAML file.

    Raises:
        InputError: when it can't be read, is not YAML, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        why = f"byte {error.start} is not UTF-8 text"
        raise InputError(f"cannot be read: {why}", where=str(path)) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {why}", where=str(path)) from None
    return parse_yaml(text, where=str(path))
