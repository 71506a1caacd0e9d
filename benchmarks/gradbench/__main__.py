"""`python -m benchmarks.gradbench`: answer GradBench's messages from standard input, on standard output."""

import sys

from .protocol import serve

serve(sys.stdin, sys.stdout)
