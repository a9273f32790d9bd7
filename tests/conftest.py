"""What holds for every test."""

from hypothesis import settings

# A slow example is a busy machine's, not a mistake.
settings.register_profile("testbed", deadline=None)
settings.load_profile("testbed")
