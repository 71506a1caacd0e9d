"""The same problems in other libraries, and by hand. Each offers {problem: make}, where make() gives what is timed.

What is timed begins with small inputs as NumPy arrays, and ends with finished NumPy arrays. Large inputs (chain,
logistic, network) are handed to JAX before the clock starts.
"""
