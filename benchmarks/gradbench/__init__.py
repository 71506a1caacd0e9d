"""A GradBench tool: the twelve evals of github.com/gradbench/gradbench, written as a user of chainrule would.

One file for each eval, its objective in plain NumPy; every derivative is chainrule's. `python -m benchmarks.gradbench`
answers GradBench's messages.
"""
