"""Hardware, models and their speed on each other: ranges with sources, read from YAML.

Every figure that is not a plain specification is a :class:`~architecture.values.Range`: nobody here
owns the machines, so the simulator carries the uncertainty along. The names are those a design file
uses; a machine or model of one's own is a further entry in the YAML files beside this one.
"""

from architecture.catalogue.lookup import (
    efficiency,
    hardware,
    hardware_names,
    item_speed,
    model,
    model_names,
    performance,
    sharing,
    transcription,
)
from architecture.catalogue.schema import (
    Efficiency,
    Hardware,
    ItemSpeed,
    Model,
    Performance,
    Sharing,
    Transcription,
)

__all__ = [
    "Efficiency",
    "Hardware",
    "ItemSpeed",
    "Model",
    "Performance",
    "Sharing",
    "Transcription",
    "efficiency",
    "hardware",
    "hardware_names",
    "item_speed",
    "model",
    "model_names",
    "performance",
    "sharing",
    "transcription",
]
