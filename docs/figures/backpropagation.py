"""Backpropagation through a network with one hidden layer: values forward, adjoints backward."""

import numpy as np

import chainrule as cr

x, y = np.array([[2.0, 1.0], [0.0, 1.0], [1.0, -1.0], [1.0, 0.0]]), np.array([1.0, 0.0, 1.0, 0.0])
W_g, W_f = np.array([[0.5, -0.5, 1.0], [-1.0, 0.5, 0.5]]), np.array([1.0, -2.0, 0.5])


def loss(W_g, W_f, x, y):
    hidden = np.tanh(x @ W_g)
    output = hidden @ W_f
    return np.sum((output - y) ** 2)


figure = cr.explain(loss, W_g, W_f, x, y, wrt=(0, 1)).graph
