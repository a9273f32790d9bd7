"""Figures of the parts no design or catalogue entry speaks of: ranges, each with its source.

All are drawn once a replication (see :mod:`simulator.hospital.world`), so a result's interval
carries them along.
"""

from __future__ import annotations

from architecture.values import Range

WIFI_SHARE = Range(
    low=0.3, typical=0.5, high=0.7,
    source="share of a WLAN's link rate that applications get; engineering estimate",
)  # fmt: skip
TLS_HANDSHAKE_S = Range(
    low=0.0001, typical=0.0007, high=0.002,
    source="one signature of the server: ECDSA P-256 0.03 ms, RSA 2048 0.6 ms a core (openssl "
    "speed), and as much again for the rest; engineering estimate",
)  # fmt: skip
PROXY_REQUEST_S = Range(
    low=0.00001, typical=0.0002, high=0.0008,
    source="a saturated proxy forwards 10,000 to 100,000 encrypted requests a second and core; one "
    "that wakes up for each takes longer: 0.5 to 0.8 ms on the reference stack",
)  # fmt: skip
CACHE_COMMAND_S = Range(
    low=0.000005, typical=0.00001, high=0.00005,
    source="Redis answers 20,000 to 200,000 commands a second on its one thread (redis-benchmark)",
)  # fmt: skip
DISK_BYTES_S = Range(
    low=0.5e9, typical=2e9, high=5e9, source="sequential writes of an NVMe disk, synced; estimate"
)
OBJECT_STORE_S = Range(
    low=0.02, typical=0.06, high=0.2,
    source="first byte of an object in a regional bucket, without the way there; engineering "
    "estimate",
)  # fmt: skip
ZONE_COMMIT_S = Range(
    low=0.0005, typical=0.0015, high=0.004,
    source="a managed database writes to disks in two zones before it acknowledges; engineering "
    "estimate",
)  # fmt: skip
COLD_FACTOR = Range(
    low=1.2, typical=3.0, high=10.0,
    source="processor and read time of a query that finds its pages on disk instead of in memory, "
    "and of answers Redis no longer has; engineering estimate",
)  # fmt: skip
COLD_S = Range(
    low=20.0,
    typical=60.0,
    high=300.0,
    source="time constant with which caches fill again after a takeover; engineering estimate",
)
NODE_START_S = Range(
    low=60.0,
    typical=120.0,
    high=240.0,
    source="a GKE node from the autoscaler's decision to running pods; engineering estimate",
)

# Kubernetes' horizontal pod autoscaler: sync period, tolerance and stabilisation by default
# (Kubernetes documentation, "Horizontal Pod Autoscaling"); the target is an assumption.
AUTOSCALER_PERIOD_S = 15.0
AUTOSCALER_TOLERANCE = 0.1
AUTOSCALER_STABILISATION_S = 300.0
AUTOSCALER_TARGET = 0.6

# TCP takes one round trip, TLS 1.3 one more before the first request can go.
HANDSHAKE_ROUND_TRIPS = 2
# What is smaller travels by itself: its transmission takes well under a millisecond.
SMALL_BYTES = 65_536
# Shorter delays (a proxy's or a cache's work when nobody waits there) take no event of their own:
# they are added to the answer's latency, and what comes next begins so much too early.
UNSEEN_S = 0.0002
# A place among the emergency's users is free again after so long without a request.
EMERGENCY_PLACE_S = 300.0
# A refusal takes the balancer and nothing else.
REFUSAL_S = 0.002
# Share of a Mac's memory that Metal lets a process use (recommendedMaxWorkingSetSize).
METAL_MEMORY_SHARE = 0.75
