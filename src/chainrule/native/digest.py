"""Fingerprints. `hashlib` takes as long to import as the first result of a cached function takes to run."""

try:  # as in Python's own modules
    from _blake2 import blake2b as blake2b
except ImportError:
    from hashlib import blake2b as blake2b
