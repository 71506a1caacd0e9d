"""Hand tracking: a hand of bones and skin is posed by angles; where its surface is, against measured points."""

import numpy as np

import chainrule as cr

from .protocol import Timed, array


def stacked(rows):
    """Matrices from rows of entries, each a number or an array."""
    return np.stack([np.stack(np.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)


def turned(x, y, z):
    """Turns about the axes x, y and z, in this order."""
    (cx, cy, cz), (sx, sy, sz) = (np.cos(x), np.cos(y), np.cos(z)), (np.sin(x), np.sin(y), np.sin(z))
    return stacked([
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ])  # fmt: skip


def turned_about(r):
    """The turn about r by the angle |r|; of tiny ones, none."""
    angle = np.sqrt(np.sum(r**2))
    x, y, z = r / angle
    c, s = np.cos(angle), np.sin(angle)
    matrix = stacked([
        [x * x + (1 - x * x) * c, x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
        [x * y * (1 - c) + z * s, y * y + (1 - y * y) * c, y * z * (1 - c) - x * s],
        [x * z * (1 - c) - y * s, z * y * (1 - c) + x * s, z * z + (1 - z * z) * c],
    ])  # fmt: skip
    return np.where(angle < 1e-4, np.eye(3), matrix)


def posed(theta, hand):
    """The transform of each bone. Of a finger's three bones, the first turns about two axes."""
    bones = len(hand["base_relatives"])
    fingers = theta[6:].reshape(5, 4)
    x, z = np.zeros(bones), np.zeros(bones)
    first = 2 + 4 * np.arange(5)
    x[first], z[first], x[first + 1], x[first + 2] = fingers.T
    local = np.tile(np.eye(4), (bones, 1, 1))
    local[:, :3, :3] = turned(x, np.zeros(bones), z)
    relative = hand["base_relatives"] @ local
    absolute = relative.copy()
    for level, parents in hand["levels"]:
        absolute[level] = absolute[parents] @ relative[level]
    return absolute @ hand["inverse_base_absolutes"]


def surface(theta, hand):
    """The vertices: each follows its bones by weights; then the whole hand is turned and moved."""
    weights, rest = hand["weights"], hand["base_positions"]
    blend = (weights[:, :, None] * rest[:, None, :]).reshape(len(rest), -1)
    transforms = np.swapaxes(posed(theta, hand)[:, :3], 1, 2)
    vertices = blend @ transforms.reshape(-1, 3)
    mirror = np.array([-1.0 if hand["is_mirrored"] else 1.0, 1.0, 1.0])
    return (vertices * mirror) @ turned_about(theta[:3]).T + theta[3:6]


def misfit(theta, us, hand):
    """Measured points less those of the hand: vertices, or, where `us` has entries, points in triangles."""
    vertices, at = surface(theta, hand), hand["at"]
    if not len(us):
        return (hand["points"] - vertices[at]).ravel()
    a, b, c = vertices[at[:, 0]], vertices[at[:, 1]], vertices[at[:, 2]]
    u, v = us[:, :1], us[:, 1:]
    return (hand["points"] - (u * a + v * b + (1 - u - v) * c)).ravel()


def moved(shift, us, hand):
    """The misfit when all of `us` move alike, then theta: each error depends on its own two only, so that two columns
    hold all that there is.
    """
    return misfit(shift[2:], us + shift[:2], hand)


def levels(parents):
    """Bones that are equally far from the root, and their parents: they can be placed at once."""
    found, known = [], parents < 0
    while not np.all(known):
        level = np.flatnonzero(~known & known[parents])
        found.append((level, parents[level]))
        known[level] = True
    return found


def arguments(given):
    model, us = given["data"]["model"], array(given["us"])
    which, triangles = np.array(given["data"]["correspondences"]), np.array(model["triangles"])
    arrays = ("base_relatives", "inverse_base_absolutes", "base_positions", "weights")
    hand = {name: array(model[name]) for name in arrays} | {"points": array(given["data"]["points"])}
    hand["at"] = triangles[which] if len(us) else which
    hand["levels"], hand["is_mirrored"] = levels(np.array(model["parents"])), model["is_mirrored"]
    return array(given["theta"]), us, hand


def columns(theta, us, hand):
    """All columns of the Jacobian; those of `us` first."""
    if not len(us):
        return cr.jacobian(misfit)(theta, us, hand)
    return cr.jacobian(moved)(np.concatenate([np.zeros(2), theta]), us, hand)


FUNCTIONS = {
    "objective": Timed(arguments, cr.compile(misfit)),
    "jacobian": Timed(arguments, columns),
}
