"""What a machine lacks is left out of a design, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from architecture import InputError, design_hash, load_design
from reference_stack import possible
from reference_stack.inference import render

ALL = {name: Path(f"/bin/{name}") for name in ("haproxy", "keepalived", "espeak-ng")}


def test_a_machine_with_every_program_runs_the_whole_design() -> None:
    design = load_design("local")
    assert possible.as_far_as_possible(design, ALL) == design


def test_without_its_program_there_is_no_voice_and_everything_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _name: None)
    design = load_design("local")
    mute = {name: path for name, path in ALL.items() if name != "espeak-ng"}
    found = possible.as_far_as_possible(design, mute)
    assert set(design.companions) - set(found.companions) == {"text-to-speech"}
    for name, site in design.sites.items():
        lost = set(site.services) - set(found.sites[name].services)
        assert lost == set(site.services) & {"text-to-speech"}


def test_a_voice_that_no_program_speaks_is_refused_by_name() -> None:
    design = load_design("local", ["companions.text-to-speech.model=whisper-base"])
    with pytest.raises(InputError, match="espeak-ng, apple-system-voice"):
        possible.as_far_as_possible(design, ALL)


def test_the_stack_leaves_nothing_more_out_of_a_design_that_was_predicted_as_it_can_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _name: None)
    bare = {"haproxy": ALL["haproxy"]}
    predicted = possible.as_far_as_possible(load_design("local"), bare)
    assert predicted != load_design("local")
    run = possible.as_far_as_possible(predicted, bare)
    assert design_hash(run) == design_hash(predicted)
