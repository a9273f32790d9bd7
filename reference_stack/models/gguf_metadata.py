"""Typed reading of a GGUF file's key-value part."""

from __future__ import annotations

from collections.abc import Mapping

from reference_stack.models.errors import ConversionError


class GgufMetadata:
    """The key-value part of a GGUF file, with missing or mistyped keys as ConversionError."""

    def __init__(self, values: Mapping[str, object], file_name: str) -> None:
        self._values = values
        self._file_name = file_name

    def text(self, key: str) -> str:
        """The string under `key`."""
        value = self._values.get(key)
        if not isinstance(value, str):
            raise ConversionError(f"{self._file_name}: {key} is {value!r}, expected a string")
        return value

    def integer(self, key: str) -> int:
        """The whole number under `key`."""
        value = self._values.get(key)
        if not isinstance(value, int):
            raise ConversionError(f"{self._file_name}: {key} is {value!r}, expected an integer")
        return value

    def number(self, key: str) -> float:
        """The number under `key`."""
        value = self._values.get(key)
        if not isinstance(value, int | float):
            raise ConversionError(f"{self._file_name}: {key} is {value!r}, expected a number")
        return float(value)

    def items(self, key: str) -> list[object]:
        """The array under `key`."""
        value = self._values.get(key)
        if not isinstance(value, list):
            raise ConversionError(f"{self._file_name}: {key} is not an array")
        return value

    def has(self, key: str) -> bool:
        """Whether `key` is there at all."""
        return key in self._values
