"""Bundle adjustment: where cameras see points, against where they were seen; its Jacobian is sparse."""

import numpy as np

import chainrule as cr

from .protocol import Timed, array


def rotated(v, r):
    """Each row of v, turned about the row of r by the angle |r| (Rodrigues)."""
    angle = np.sqrt(np.sum(r**2, axis=1, keepdims=True))
    axis = r / angle
    along = np.sum(axis * v, axis=1, keepdims=True)
    return v * np.cos(angle) + np.cross(axis, v) * np.sin(angle) + axis * along * (1 - np.cos(angle))


def seen(cameras, points):
    """The image of each point in its camera: rotation, center, focal length, principal point, radial distortion."""
    turned = rotated(points - cameras[:, 3:6], cameras[:, :3])
    flat = turned[:, :2] / turned[:, 2:]
    radius2 = np.sum(flat**2, axis=1, keepdims=True)
    distortion = 1 + cameras[:, 9:10] * radius2 + cameras[:, 10:] * radius2**2
    return flat * distortion * cameras[:, 6:7] + cameras[:, 7:9]


def residuals(unknowns, features, camera, point, n):
    """Two errors of each observation, then one of each weight; the n cameras come first among the unknowns.

    `camera` and `point` say who saw what.
    """
    p = len(camera)
    cameras = unknowns[: 11 * n].reshape(n, 11)
    points = unknowns[11 * n : -p].reshape(-1, 3)
    weights = unknowns[-p:]
    errors = weights[:, None] * (seen(cameras[camera], points[point]) - features)
    return np.concatenate([errors.ravel(), 1 - weights**2])


def arguments(given):
    """GradBench repeats one camera, point, weight and feature; nothing below knows that they are the same."""
    n, m, p = given["n"], given["m"], given["p"]
    unknowns = [np.tile(array(given["cam"]), n), np.tile(array(given["x"]), m), np.full(p, given["w"])]
    observation = np.arange(p)
    return np.concatenate(unknowns), np.tile(array(given["feat"]), (p, 1)), observation % n, observation % m, n


def errors(result):
    """The first observation's errors, and how many there are: what GradBench compares."""
    p = len(result) // 3
    return {
        "reproj_error": {"elements": result[:2].tolist(), "repeated": p},
        "w_err": {"element": float(result[-1]), "repeated": p},
    }


def first_and_last(jacobian):
    """What GradBench compares: where rows begin, columns and values, of the first observation and of the last weight.

    It stores the zeros of an observation, too: the error along one axis does not depend on the camera's other offset.
    """
    p = jacobian.shape[0] // 3
    columns = np.unique(jacobian.indices[: jacobian.indptr[2]])
    begins = np.concatenate([[0], np.cumsum(np.repeat([len(columns), 1], [2 * p, p]))])
    return {
        "rows": [*begins[:30].tolist(), begins[-1].item()],
        "cols": [*columns.tolist(), *columns.tolist(), jacobian.indices[-1].item()],
        "vals": [*jacobian[:2].toarray()[:, columns].ravel().tolist(), jacobian.data[-1].item()],
    }


FUNCTIONS = {
    "objective": Timed(arguments, cr.compile(residuals), errors),
    "jacobian": Timed(arguments, cr.jacobian(residuals, sparse=True), first_and_last),
}
