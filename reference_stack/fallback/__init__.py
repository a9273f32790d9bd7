"""The emergency site: when the cloud takes over, and how the hospital gets its lead back.

``check``, ``decision``, ``state`` and ``steps`` are pure or speak only to a :class:`world.World`;
effects are in ``reality``, ``salvage`` and ``gate``. The ``journal`` is the only memory.
"""
