"""Delays that no design file sets, each with its source. Seconds; triples are low, typical, high.

Most are constants of the programs that keep the promises. Those of the reference stack's own
programs are checked against its code by a test, since the simulator must not import it.
"""

from __future__ import annotations

Triple = tuple[float, float, float]

# etcd looks for expired leases every half second (lease/lessor.go, runLoop).
LEASE_SCAN_S = 0.5
# An etcd election starts after one to two election timeouts (raft's randomised timeout); the new
# leader then prolongs every lease to its full length and one election timeout (Lessor.Promote).
LEASE_EXTENSION_ELECTIONS = 1
# Patroni asks every known member, the dead leader too, before it promotes; in failsafe mode also
# those whose record is gone. Its time-out is fixed (patroni/ha.py, fetch_node_status); a refused
# connection costs nothing.
PEER_STATUS_TIMEOUT_S = 2.0
# A failure detector asks the standby, fences the dead site and revokes its lease: low and high of
# what that took on the reference stack (docs/calibration.md). The lease takes the dead member's own
# record along, so nobody waits for its answer, and revoking needs no scan.
DETECTOR_ACTS_S = (0.05, 0.5)

# HAProxy tries a request three times (`retries 2`), a second apart when the connection is refused,
# the last time on any server that is up by then (`option redispatch`).
EDGE_TRIES = 3
EDGE_RETRY_DELAY_S = 1.0

# The API opens lost database connections again every 0.25 s ± 20 %; one attempt at a server that
# accepts and says nothing lasts two seconds, libpq's shortest time-out.
RECONNECT_S = 0.3
CONNECT_TIMEOUT_S = 2.0

# PostgreSQL's first process dies: Patroni lives, and asks a dead server twice, a second apart,
# before its REST answer says so (patroni/api.py, query). It starts the server again at its next
# loop. Crash recovery: engineering estimate; a small database after at most one checkpoint's WAL.
STATUS_RETRY_S = 1.0
CRASH_RECOVERY_S: Triple = (0.3, 1.0, 5.0)
# The supervisor starts an ended process again after a second. How long one then takes to answer:
# engineering estimate; a language model has to be read from disk first.
RESTART_PAUSE_S = 1.0
API_START_S: Triple = (0.5, 2.0, 10.0)
MODEL_START_S: Triple = (2.0, 10.0, 60.0)

# A standby that falls silent holds up commits until the keeper beside the primary, which looks each
# second, has heard nothing for five (counted from its last word, at most a second before the fault:
# `wal_receiver_status_interval`); it ends the connection and has Patroni look at once, which takes
# the standby out of the commits' way. How long Patroni's look takes: engineering estimate.
STANDBY_SILENCE_S = 5.0
STANDBY_REPLIES_EVERY_S = 1.0
KEEPER_LOOKS_EVERY_S = 1.0
PATRONI_LOOKS_S: Triple = (0.1, 0.3, 1.0)

# A planned move: from the order to the end of the old primary's sessions, and its shutdown
# (engineering estimates; checkpoints were made before). Patroni then gives the standby a second to
# catch up before it lets go of the lease (patroni/ha.py, demote, on_shutdown). The balancers are
# told of the new primary by who looks for it every 0.02 s.
MOVE_BEGINS_S: Triple = (0.05, 0.2, 1.0)
SHUTDOWN_S: Triple = (0.1, 0.3, 1.5)
CATCH_UP_S = 1.0
MOVE_LOOKS_EVERY_S = 0.02

# The fallback controller rests at most so long between two looks. Cutting the nodes' power, noting
# where the cloud's copy ends and changing Patroni's configuration: engineering estimate (a site is
# killed in 1 to 60 ms, the change was answered in 0.1 s). In a lost hospital it first asks every
# balancer and the witness, one after the other, for a second each.
CONTROLLER_RESTS_S = 0.5
CLOUD_ACTS_S: Triple = (0.1, 0.3, 1.0)
EDGE_QUESTION_S = 1.0

# VRRP priorities of the first, second, … balancer, on which its patience depends (RFC 5798, 6.1).
FIRST_PRIORITY = 200
PRIORITY_STEP = 50

# TCP sends a SYN again after a second (RFC 6298, 2.1) and data after a fifth of one (Linux
# TCP_RTO_MIN), then after twice as long each time.
SYN_RETRY_S = 1.0
RETRANSMISSION_S = 0.2


def at_share(figure: Triple, share: float) -> float:
    """Quantile ``share`` of the triangular distribution on (low, typical, high)."""
    low, mode, high = figure
    if high <= low:
        return mode
    split = (mode - low) / (high - low)
    if share < split:
        return low + float((share * (high - low) * (mode - low)) ** 0.5)
    return high - float(((1 - share) * (high - low) * (high - mode)) ** 0.5)
