"""Turning pydantic's complaints into one :class:`InputError` a person can act upon."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from architecture.errors import InputError

ModelT = TypeVar("ModelT", bound=BaseModel)

Location = tuple[int | str, ...]

MAX_SHOWN_CHARACTERS = 80
MAX_SHOWN_PROBLEMS = 5


def validated(model: type[ModelT], tree: Any, *, where: str) -> ModelT:
    """Check a parsed tree against a model.

    Raises:
        InputError: naming ``where``, the first wrong key, and what is allowed there.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise _readable(error, model, tree, where) from None


def _readable(error: ValidationError, model: type[BaseModel], tree: Any, where: str) -> InputError:
    first, *rest = error.errors(include_url=False)
    key = _key_in_file(first["loc"], tree, keep_last=first["type"] == "missing")
    context = first.get("ctx", {})
    shown = _shown(first["input"])
    allowed = ""
    match first["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            message = "unknown key"
            allowed = ", ".join(_fields_at(model, first["loc"][:-1]))
        case "misplaced":
            message, allowed = context["message"], context["allowed"]
            key = ".".join(filter(None, (key, context["key"])))
        case "value_error":
            message = first["msg"].removeprefix("Value error, ")
        case "literal_error":
            message = f"{shown} is not possible here"
            allowed = str(context["expected"])
        case "union_tag_invalid" | "union_tag_not_found":
            message = "needs a known 'kind'"
            allowed = str(context.get("expected_tags", ", ".join(_kinds_at(model, first["loc"]))))
        case _:
            message = f"{first['msg']}, got {shown}"
    others = {_key_in_file(other["loc"], tree, keep_last=True) for other in rest} - {key, ""}
    if others:
        names = ", ".join(sorted(others)[:MAX_SHOWN_PROBLEMS])
        message += f"; {len(others)} more problem(s) at: {names}"
    return InputError(message, where=where, key=key, allowed=allowed)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"


def _key_in_file(location: Location, tree: Any, *, keep_last: bool) -> str:
    """The dotted key as it stands in the file: a union's tags are in ``location`` but not there."""
    parts: list[str] = []
    place = tree
    for position, part in enumerate(location):
        if _holds(place, part):
            place = place[part]
        elif not (keep_last and position == len(location) - 1):
            continue
        parts.append(str(part))
    return ".".join(parts)


def _holds(place: Any, part: int | str) -> bool:
    if isinstance(place, dict):
        return part in place
    return isinstance(place, list | tuple) and isinstance(part, int) and part < len(place)


def _fields_at(root: type[BaseModel], location: Location) -> tuple[str, ...]:
    """Keys allowed at ``location``, or nothing when it can't be followed."""
    names = (name for place in _places_at(root, location) for name in _fields_of(place))
    return tuple(dict.fromkeys(names))


def _kinds_at(root: type[BaseModel], location: Location) -> tuple[str, ...]:
    return tuple(kind for place in _places_at(root, location) for kind in _kinds_of(place))


def _places_at(root: type[BaseModel], location: Location) -> list[Any]:
    places: list[Any] = [root]
    for part in location:
        places = [inner for place in places for inner in _inside(place, part)]
    return places


def _inside(place: Any, part: int | str) -> tuple[Any, ...]:
    origin = get_origin(place)
    if origin is dict:
        return _members(get_args(place)[1])
    if origin is tuple:
        return _members(get_args(place)[0])
    if not _is_model(place):
        return ()
    field = place.model_fields.get(str(part))
    if field is not None:
        return _members(field.annotation)
    return (place,) if part in _kinds_of(place) else ()


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types an annotation stands for, without ``Annotated``, unions and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return tuple(inner for part in get_args(annotation) for inner in _members(part))
    return () if annotation is NoneType else (annotation,)


def _is_model(place: Any) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)


def _fields_of(place: Any) -> tuple[str, ...]:
    return tuple(place.model_fields) if _is_model(place) else ()


def _kinds_of(place: Any) -> tuple[str, ...]:
    """Tags by which a member of a tagged union is chosen."""
    field = place.model_fields.get("kind") if _is_model(place) else None
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return tuple(str(kind) for kind in get_args(field.annotation))
