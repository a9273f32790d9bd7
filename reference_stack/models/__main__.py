"""Fetch a model profile into the cache: python -m reference_stack.models fetch smollm2-135m."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reference_stack.models.errors import ModelError, ProfileFileError, UnknownProfileError
from reference_stack.models.profiles import load_profiles
from reference_stack.models.store import ensure_model, model_cache

DEFAULT_PROFILE = "smollm2-135m"
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reference_stack.models")
    parser.add_argument("--profiles", type=Path, help="a file with more profiles")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the profiles there are")
    fetch = commands.add_parser("fetch", help="fetch, convert and check one model")
    fetch.add_argument("profile", nargs="?", default=DEFAULT_PROFILE)
    fetch.add_argument("--cache", type=Path, default=None, help=f"default: {model_cache()}")
    fetch.add_argument("--verify", action="store_true", help="also compare every sha256")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the folder goes to stdout, progress and errors to stderr."""
    options = _parser().parse_args(arguments)
    try:
        profiles = load_profiles(options.profiles)
        if options.command == "list":
            for name, profile in sorted(profiles.profiles.items()):
                sys.stdout.write(f"{name}\t{profile.title}\t{profile.licence}\n")
            return 0
        folder = ensure_model(
            options.profile,
            options.cache or model_cache(),
            lambda line: print(line, file=sys.stderr),  # noqa: T201 - progress of a command
            verify=options.verify,
            profiles=profiles,
        )
    except (UnknownProfileError, ProfileFileError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
