"""A new release of the model, node by node: the next one only after the last one serves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from reference_stack.addresses import AddressPlan
from reference_stack.errors import StackError
from reference_stack.models.health import serving_version
from reference_stack.models.store import check_model_folder
from reference_stack.models.sync import publish, read_release, version_of

DEADLINE_S = 120.0
_LOOK_EVERY_S = 0.2


class RolloutStoppedError(StackError):
    """A node did not take the release; those after it were left as they were."""


def roll_out(
    model: Path,
    release: Path,
    sites: Sequence[str],
    *,
    addresses: AddressPlan,
    restart: Callable[[str], None],
    progress: Callable[[str], None],
    deadline_s: float = DEADLINE_S,
) -> str:
    """Publish ``model`` and restart the inference of ``sites`` one after another; its version.

    Each node copies, verifies and tries the release by itself and goes back to the one before when
    it does not pass. Then nothing is published any more but the release before, and no further
    node is touched.

    Args:
        model: An mlx-lm folder.
        release: The stack's release, a symbolic link (see :func:`.sync.publish`).
        sites: In this order; begin with the one whose loss is felt least.
        addresses: Where their inference listens.
        restart: Restarts the inference of a site.
        progress: Told each step.
        deadline_s: How long each node may take.

    Raises:
        BadModelFolderError: when ``model`` is none; nothing was touched.
        RolloutStoppedError: when a node serves nothing before (nothing was touched then), or does
            not serve the release in time.
    """
    for site in sites:
        if serving_version(addresses.endpoint(site, "inference")) is None:
            # It would take the release as it comes up, out of turn and with nothing to go back to.
            raise RolloutStoppedError(f"{site}: serves no model; nothing was published")
    former = release.readlink()
    version = version_of(read_release(check_model_folder(model)))
    publish(release, model)
    for site in sites:
        progress(f"{site}: taking release {version}")
        restart(site)
        serving = _wait_for(addresses, site, deadline_s)
        if serving != version:
            publish(release, former)
            raise RolloutStoppedError(
                f"{site}: serves {serving or 'no model'} instead of release {version}; "
                f"its log says why. The release before is published again"
            )
    progress(f"release {version} serves on {', '.join(sites)}")
    return version


def _wait_for(addresses: AddressPlan, site: str, deadline_s: float) -> str | None:
    """The version the site serves after its restart; None when it serves none at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        serving = serving_version(addresses.endpoint(site, "inference"))
        if serving is not None or time.monotonic() > end:
            return serving
        time.sleep(_LOOK_EVERY_S)
