"""Given names by birth cohort and family names, ordered as the census ranks them.

Sources: IBGE, *Nomes no Brasil* (censuses of 2010 and 2022), rankings by sex and decade of birth;
in 2022 the family names Silva (16.76 % of people) and Santos (10.52 %) led. The order here follows
these rankings, abridged; the weights follow a law, not the census's counts: given names fall off as
1/(rank + 3), family names as 1/(rank + 2).
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Sex = Literal["female", "male"]

#: First birth year of each cohort; the first also holds everybody born before.
COHORT_STARTS: Final = (1920, 1950, 1980, 2000)

FEMALE_NAMES: Final = (
    (
        *("Maria", "Ana", "Francisca", "Antônia", "Terezinha", "Josefa", "Tereza", "Rita"),
        *("Luzia", "Raimunda", "Joana", "Aparecida", "Helena", "Isabel", "Irene", "Marlene"),
        *("Sebastiana", "Conceição", "Neusa", "Iracema", "Lourdes", "Dalva", "Nair", "Odete"),
    ),
    (
        *("Maria", "Ana", "Márcia", "Sandra", "Francisca", "Adriana", "Antônia", "Vera"),
        *("Cláudia", "Patrícia", "Rosana", "Sônia", "Luciana", "Simone", "Regina", "Rita"),
        *("Cristina", "Andréia", "Rosângela", "Mônica", "Tânia", "Eliane", "Fátima", "Denise"),
    ),
    (
        *("Maria", "Ana", "Juliana", "Fernanda", "Patrícia", "Aline", "Camila", "Jéssica"),
        *("Bruna", "Vanessa", "Amanda", "Letícia", "Mariana", "Tatiane", "Priscila", "Renata"),
        *("Natália", "Larissa", "Gabriela", "Débora", "Carolina", "Daniela", "Rafaela", "Michele"),
    ),
    (
        *("Maria", "Ana", "Júlia", "Vitória", "Letícia", "Beatriz", "Gabriela", "Larissa"),
        *("Laura", "Isabela", "Manuela", "Sofia", "Alice", "Helena", "Yasmin", "Luísa"),
        *("Giovana", "Valentina", "Heloísa", "Lívia", "Cecília", "Lorena", "Emanuelly", "Rafaela"),
    ),
)

MALE_NAMES: Final = (
    (
        *("José", "João", "Antônio", "Francisco", "Manoel", "Pedro", "Sebastião", "Raimundo"),
        *("Joaquim", "Geraldo", "Benedito", "Luiz", "Paulo", "Severino", "Osvaldo", "Domingos"),
        *("Valdemar", "Mário", "Vicente", "Jorge", "Alcides", "Nelson", "Orlando", "Waldir"),
    ),
    (
        *("José", "João", "Antônio", "Carlos", "Paulo", "Francisco", "Luiz", "Marcos"),
        *("Luís", "Marcelo", "Pedro", "Raimundo", "Sérgio", "Roberto", "Jorge", "Cláudio"),
        *("Márcio", "Edson", "Fernando", "Ricardo", "Alexandre", "Manoel", "Wilson", "Reginaldo"),
    ),
    (
        *("José", "João", "Lucas", "Rafael", "Bruno", "Felipe", "Rodrigo", "Diego"),
        *("Antônio", "Thiago", "Leandro", "Fábio", "Francisco", "Carlos", "Daniel", "Eduardo"),
        *("Gabriel", "Marcelo", "Anderson", "Leonardo", "André", "Vinícius", "Guilherme", "Tiago"),
    ),
    (
        *("João", "Gabriel", "Lucas", "Pedro", "Matheus", "José", "Gustavo", "Guilherme"),
        *("Arthur", "Miguel", "Davi", "Enzo", "Bernardo", "Heitor", "Rafael", "Samuel"),
        *("Felipe", "Nicolas", "Lorenzo", "Théo", "Caio", "Murilo", "Isaac", "Vitor"),
    ),
)

FAMILY_NAMES: Final = (
    *("da Silva", "dos Santos", "de Oliveira", "de Souza", "Pereira", "Ferreira", "de Lima"),
    *("Alves", "Rodrigues", "da Costa", "Gomes", "Ribeiro", "Martins", "de Jesus", "Soares"),
    *("Barbosa", "Lopes", "Vieira", "de Almeida", "do Nascimento", "Araújo", "Carvalho", "Dias"),
    *("Fernandes", "Mendes", "Nunes", "Rocha", "Moreira", "Cardoso", "Teixeira", "Moraes"),
    *("Ramos", "Machado", "Cavalcante", "Freitas", "Batista", "Monteiro", "Correia", "Moura"),
    *("Pinto", "Castro", "Campos", "da Conceição", "Melo", "Borges", "Barros", "Duarte"),
    *("Siqueira", "Rezende", "Magalhães", "Nogueira", "Azevedo", "Farias", "Brito", "Guimarães"),
)

Weights = npt.NDArray[np.float64]


def _falling(names: Sequence[str], offset: int) -> Weights:
    """Cumulated shares of names whose frequency is as 1/(rank + offset)."""
    weights = 1.0 / (np.arange(len(names)) + offset)
    cumulated: Weights = np.cumsum(weights / weights.sum())
    return cumulated


GIVEN_SHARES: Final = _falling(FEMALE_NAMES[0], 3)
FAMILY_SHARES: Final = _falling(FAMILY_NAMES, 2)


def given_names(sex: Sex, birth_year: int) -> tuple[str, ...]:
    """The ranked given names of the cohort, most frequent first."""
    cohort = max(0, sum(birth_year >= start for start in COHORT_STARTS) - 1)
    return (FEMALE_NAMES if sex == "female" else MALE_NAMES)[cohort]


def pick(shares: Weights, uniform: npt.NDArray[np.float64]) -> list[int]:
    """Indexes drawn by cumulated shares from numbers in [0, 1)."""
    drawn = np.searchsorted(shares, uniform, side="right")
    indexes: list[int] = np.minimum(drawn, len(shares) - 1).tolist()
    return indexes
