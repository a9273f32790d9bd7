"""Timings, side by side in one run: ratios are the results, absolute times are this machine's."""
