"""A synthetic Brazilian hospital: its patients and clinicians, the same for the same seed.

No person in it is real: names are put together from lists of common ones, record numbers are
counted, and there are no tax numbers, telephone numbers or street addresses.
"""
