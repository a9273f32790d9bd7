"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# A slow example is a busy machine's, not a mistake.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time: what fails for one fails for all. New ones are looked for with
# `pytest --hypothesis-profile=search`.
settings.register_profile("testbed", settings.get_profile("search"), derandomize=True)
settings.load_profile("testbed")

# A shell's background job ignores Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
