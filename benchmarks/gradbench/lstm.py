"""A small recurrent network that predicts the next character's bits; its weight matrices are diagonal."""

import numpy as np

import chainrule as cr

from .protocol import Timed, array


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(weight, bias, hidden, memory, x):
    """One layer, one character: the gates forget, in, out, and the change of memory."""
    forget = sigmoid(x * weight[0] + bias[0])
    enter = sigmoid(hidden * weight[1] + bias[1])
    leave = sigmoid(x * weight[2] + bias[2])
    change = np.tanh(hidden * weight[3] + bias[3])
    memory = memory * forget + enter * change
    return leave * np.tanh(memory), memory


def loss(main, extra, state, sequence):
    bits, layers = sequence.shape[1], len(main) // 2
    parameters = main.reshape(layers, 2, 4, bits)

    def step(states, pair):
        now, following = pair
        x, after = now * extra[0], []
        for (weight, bias), (hidden, memory) in zip(parameters, states, strict=True):
            x, memory = cell(weight, bias, hidden, memory, x)
            after.append((x, memory))
        guess = x * extra[1] + extra[2]
        normalized = guess - np.log(2 + np.sum(np.exp(guess)))
        return after, np.sum(following * normalized)

    start = [(hidden, memory) for hidden, memory in state.reshape(layers, 2, bits)]
    _, gains = cr.scan(step, start, (sequence[:-1], sequence[1:]))
    return -np.sum(gains) / (bits * len(gains))


def arguments(given):
    return tuple(array(given[name]) for name in ("main_params", "extra_params", "state", "sequence"))


FUNCTIONS = {
    "objective": Timed(arguments, cr.compile(loss)),
    "jacobian": Timed(
        arguments,
        cr.grad(loss, wrt=(0, 1)),
        lambda gradient: np.concatenate([g.ravel() for g in gradient]).tolist(),
    ),
}
