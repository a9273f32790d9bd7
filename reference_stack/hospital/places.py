"""Municipalities the patients live in: a hospital of greater São Paulo, and some who travelled.

Codes are IBGE's seven-digit municipality codes. Shares are a choice of this testbed: a hospital's
catchment falls off with distance.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

#: The ninth digit of a CPF by the state it was first registered in (Receita Federal's regions).
CPF_REGION: Final = {
    **dict.fromkeys(("DF", "GO", "MS", "MT", "TO"), 1),
    **dict.fromkeys(("AC", "AM", "AP", "PA", "RO", "RR"), 2),
    **dict.fromkeys(("CE", "MA", "PI"), 3),
    **dict.fromkeys(("AL", "PB", "PE", "RN"), 4),
    **dict.fromkeys(("BA", "SE"), 5),
    "MG": 6,
    **dict.fromkeys(("ES", "RJ"), 7),
    "SP": 8,
    **dict.fromkeys(("PR", "SC"), 9),
    "RS": 0,
}


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality, its state's two letters and its IBGE code."""

    name: str
    state: str
    ibge_code: str


_SHARES: Final = {
    Municipality("São Paulo", "SP", "3550308"): 0.46,
    Municipality("Guarulhos", "SP", "3518800"): 0.10,
    Municipality("Osasco", "SP", "3534401"): 0.07,
    Municipality("Santo André", "SP", "3547809"): 0.07,
    Municipality("São Bernardo do Campo", "SP", "3548708"): 0.07,
    Municipality("Diadema", "SP", "3513801"): 0.04,
    Municipality("Campinas", "SP", "3509502"): 0.04,
    Municipality("Santos", "SP", "3548500"): 0.03,
    Municipality("Rio de Janeiro", "RJ", "3304557"): 0.02,
    Municipality("Belo Horizonte", "MG", "3106200"): 0.02,
    Municipality("Curitiba", "PR", "4106902"): 0.02,
    Municipality("Salvador", "BA", "2927408"): 0.02,
    Municipality("Recife", "PE", "2611606"): 0.01,
    Municipality("Fortaleza", "CE", "2304400"): 0.01,
    Municipality("Goiânia", "GO", "5208707"): 0.01,
    Municipality("Porto Alegre", "RS", "4314902"): 0.01,
}
MUNICIPALITIES: Final = tuple(_SHARES)
MUNICIPALITY_SHARES: Final = np.cumsum(tuple(_SHARES.values()))
