"""Floor 0: designs, catalogues, workload, objectives and requirement ids, as validated data.

Everything above reads a :class:`~architecture.design.Design`; nothing here knows a simulator, a
server or a report.
"""

from architecture.design import Design
from architecture.errors import InputError
from architecture.loading import design_hash, design_names, load_design, overrides_without

__all__ = [
    "Design",
    "InputError",
    "design_hash",
    "design_names",
    "load_design",
    "overrides_without",
]
