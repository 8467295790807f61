"""Benchmarks: what we hold to be the hot paths, on realistic input. One subject per file.

The suite runs with ``asv run --config benchmarks/asv.conf.json --python=same --quick``. Figures are ratios
taken in one run wherever that is possible, and processor time rather than wall time where one thread works:
both hold on a machine that others use too. Each class says in ``tiny`` (attributes) and ``tiny_params`` (one
row of parameters) how small it may become: the tests call every benchmark once at that size, so that none
rots. ``peers.py`` is a program of its own that runs another backtester beside ours.
"""
