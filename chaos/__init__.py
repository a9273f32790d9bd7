"""Floor 4: faults, the experiments that inject them, and what they cost the hospital's clients.

``actions`` and ``probes`` are a Chaos Toolkit extension; :mod:`chaos.experiment` runs one of
``experiments/*.yaml`` against a loaded stack and keeps the evidence as a run.
"""
