"""What README and docs point at is there: files, headings, commands and their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from cli.commands import app

PROJECT = Path(__file__).parents[2]
PAGES = sorted([PROJECT / "README.md", PROJECT / "CHANGELOG.md", *(PROJECT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"^testbed (?P<rest>[^#\n]+)", re.MULTILINE)
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The fragments by which a page's headings are linked to."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead to no file, or to no heading of one."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_heading(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One thing\n[a](page.md#one-thing) [b](page.md#two) [c](no.md) [d](#one-thing)"
    )
    assert broken_links(page) == ["page.md#two", "no.md"]


def commands_of(page: Path) -> list[str]:
    blocks = "\n".join(FENCE.findall(page.read_text(encoding="utf-8")))
    return [match["rest"].strip() for match in COMMAND.finditer(blocks)]


def unknown_words(line: str) -> list[str]:
    """Words of a command line that are neither a command's name nor an option it has."""
    command = typer.main.get_command(app)
    words = shlex.split(line)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") and words != ["--help"]:
        return words
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    return [word for word in words if re.match(r"--?[a-z]", word) and word not in known]


@pytest.mark.parametrize(
    ("page", "line"),
    [
        pytest.param(page, line, id=f"{page.name}: {line}")
        for page in PAGES
        for line in commands_of(page)
    ],
)
def test_every_command_in_the_documentation_exists_with_its_options(page: Path, line: str) -> None:
    assert unknown_words(line) == [], page.name


def test_the_readme_has_commands_to_check() -> None:
    assert len(commands_of(PROJECT / "README.md")) > 15
    assert unknown_words("stack down --nosuch") == ["--nosuch"]
    assert unknown_words("stack fly") == ["fly"]
