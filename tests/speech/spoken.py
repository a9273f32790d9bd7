"""Sentences of a ward, and how many of their words came back."""

import re

#: English, as the small models hear it; numbers are spelled so that digits and words can't differ.
SENTENCES = (
    "The patient has had a fever since yesterday evening and feels very weak.",
    "Her blood pressure is normal and she is breathing without difficulty.",
    "Please check the wound in the morning and change the bandage.",
    "He was admitted last night with pain in the left side of his chest.",
    "She is allergic to penicillin and must not receive it.",
    "The doctor will visit the family after lunch to explain the operation.",
)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_errors(said: str, heard: str) -> int:
    """Substitutions, insertions and deletions between them (Levenshtein, over words)."""
    row = list(range(len(words(heard)) + 1))
    for place, one in enumerate(words(said), start=1):
        above, row[0] = row[0], place
        for column, other in enumerate(words(heard), start=1):
            above, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, above + (one != other)),
            )
    return row[-1]
