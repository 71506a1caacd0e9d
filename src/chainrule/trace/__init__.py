"""Run a NumPy function once on stand-ins that record what is done to them."""
