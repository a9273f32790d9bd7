"""keepalived: VRRP between the balancers, so that the shared address is where a HAProxy answers.

Between unicast peers (RFC 5798 knows only multicast; clouds and the testbed's network have none).
The address goes to the neighbour when the balancer's site is silent for the RFC's
Master_Down_Interval, or as soon as its HAProxy does not answer (:mod:`reference_stack.edge.watch`).
It does not come back by itself: that would break every connection a second time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.edge.watch import WatchSettings

DEVICE: Final = "eth0"
ROUTER_ID: Final = 77
FIRST_PRIORITY: Final = 200
PRIORITY_STEP: Final = 50
#: HAProxy is taken for dead after two silences, half a second apart.
WATCH_INTERVAL_S: Final = 0.5
WATCH_FALL: Final = 2


def command(program: Path, configuration_file: Path, folder: Path) -> list[str]:
    """The command that runs it in the foreground, VRRP alone.

    What an earlier one left that was killed goes first: its number may be another process's now,
    and keepalived would believe that it runs already.
    """
    own, vrrp = (str(folder / f"{name}.pid") for name in ("keepalived", "keepalived-vrrp"))
    return [
        "sh", "-c", 'rm -f "$0" "$1" && shift && exec "$@"', own, vrrp,
        str(program), "--dont-fork", "--log-console", "--vrrp",
        "--use-file", str(configuration_file), "--pid", own, "--vrrp_pid", vrrp,
    ]  # fmt: skip


def configuration(
    design: Design, addresses: AddressPlan, site: str, shared: str, watch_file: Path
) -> str:
    """keepalived's configuration for the balancer on ``site``.

    ``watch_file`` is the file by which the watch says whether the site's HAProxy answers.
    """
    if design.edge.shared_address is None:
        raise ValueError(f"design {design.name}: edge.shared_address is missing")
    peers = [other for other in design.sites_with("balancer") if other != site]
    listed = "\n".join(f"        {addresses.address(peer)}" for peer in peers)
    return f"""global_defs {{
    router_id {site}
    vrrp_version 3
}}

vrrp_track_file haproxy_answers {{
    file {watch_file}
    weight 1
}}

vrrp_instance edge {{
    state BACKUP
    nopreempt
    interface {DEVICE}
    virtual_router_id {ROUTER_ID}
    priority {priority(design, site)}
    advert_int {design.edge.shared_address.advertisement_s:g}
    unicast_src_ip {addresses.address(site)}
    unicast_peer {{
{listed}
    }}
    virtual_ipaddress {{
        {shared}/24
    }}
    track_file {{
        haproxy_answers
    }}
}}
"""


def watch_settings(addresses: AddressPlan, site: str, watch_file: Path) -> WatchSettings:
    """What the watch on ``site`` asks, and where it says what it heard."""
    plain = addresses.endpoint(site, "balancer-plain")
    return WatchSettings(
        host=plain.host,
        port=plain.port,
        path=f"/{site}",
        file=watch_file,
        interval_s=WATCH_INTERVAL_S,
        timeout_s=WATCH_INTERVAL_S,
        fall=WATCH_FALL,
    )


def priority(design: Design, site: str) -> int:
    """VRRP priority: the design's first balancer is preferred when several come up at once."""
    return FIRST_PRIORITY - PRIORITY_STEP * design.sites_with("balancer").index(site)


def takeover_bound_s(design: Design, site: str) -> float:
    """Longest time from the holder's last advertisement until ``site`` takes the address.

    Master_Down_Interval = 3 · advertisement + skew, skew = (256 − priority) / 256 · advertisement
    (RFC 5798, 6.1). The holder may die up to one advertisement after its last one, so that the
    outage is this at most, and one advertisement less at least.
    """
    if design.edge.shared_address is None:
        raise ValueError(f"design {design.name}: edge.shared_address is missing")
    advertisement_s = design.edge.shared_address.advertisement_s
    return (3 + (256 - priority(design, site)) / 256) * advertisement_s
