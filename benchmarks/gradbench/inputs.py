"""Inputs like those that GradBench's evals send, made here. The larger sizes are within GradBench's own range."""

from __future__ import annotations

from typing import Any

import numpy as np

Input = dict[str, Any]


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).random(shape).tolist()


def lse(n: int) -> Input:
    return {"x": numbers(0, n)}


def llsq(n: int, m: int) -> Input:
    return {"x": numbers(0, m), "n": n}


def ode(n: int, s: int) -> Input:
    return {"x": (0.5 + 0.5 * np.array(numbers(0, n))).tolist(), "s": s}


def det(ell: int) -> Input:
    return {"A": numbers(0, ell * ell), "ell": ell}


def gmm(d: int, k: int, n: int = 1000) -> Input:
    below = d * (d - 1) // 2
    parameters = {"alpha": numbers(1, k), "mu": numbers(2, k, d), "q": numbers(3, k, d), "l": numbers(4, k, below)}
    return {"d": d, "k": k, "n": n, "x": numbers(0, n, d), "m": 0, "gamma": 1.0} | parameters


def kmeans(k: int, n: int, d: int) -> Input:
    """The centroids are points: none of them is without one."""
    points = numbers(0, n, d)
    return {"points": points, "centroids": points[:k]}


def ba(n: int, m: int, p: int) -> Input:
    camera = [0.02, -0.03, 0.01, -0.1, 0.2, 1.1, 400.0, 1.0, -2.0, -3e-7, 5e-13]
    return {"n": n, "m": m, "p": p, "cam": camera, "x": [-0.6, 0.5, -2.4], "w": 0.9, "feat": [-300.0, 250.0]}


def ht(vertices: int, points: int, in_triangles: bool = True) -> Input:
    """A hand that no anatomist has seen: a wrist, five fingers of four bones, a forearm.

    It is not mirrored: of a mirrored one, `manual` has a wrong derivative.
    """
    rng, bones = np.random.default_rng(5), 22
    transforms = np.tile(np.eye(4), (2, bones, 1, 1))
    transforms[:, :, :3] += 0.3 * rng.normal(size=(2, bones, 3, 4))
    model = {
        "bone_count": bones,
        "bone_names": [f"bone {i}" for i in range(bones)],
        "parents": [-1, *(0 if bone % 4 == 1 else bone - 1 for bone in range(1, bones))],
        "base_relatives": transforms[0].tolist(),
        "inverse_base_absolutes": transforms[1].tolist(),
        "base_positions": np.hstack([rng.random((vertices, 3)), np.ones((vertices, 1))]).tolist(),
        "weights": rng.dirichlet(np.ones(bones), vertices).tolist(),
        "triangles": rng.permuted(np.tile(np.arange(vertices), (2 * vertices, 1)), axis=1)[:, :3].tolist(),
        "is_mirrored": False,
    }
    choices = len(model["triangles"]) if in_triangles else vertices
    correspondences = rng.integers(choices, size=points).tolist()
    data = {"model": model, "correspondences": correspondences, "points": rng.random((points, 3)).tolist()}
    return {
        "theta": rng.random(26).tolist(),
        "us": rng.random((points, 2)).tolist() if in_triangles else [],
        "data": data,
    }


def lstm(layers: int, characters: int, bits: int = 14) -> Input:
    sequence = np.array(numbers(3, characters, bits)) < 0.4
    return {
        "main_params": numbers(0, 2 * layers, 4 * bits),
        "extra_params": numbers(1, 3, bits),
        "state": numbers(2, 2 * layers, bits),
        "sequence": sequence.astype(float).tolist(),
    }


def particle() -> Input:
    return {"w": 0.0}


def saddle() -> Input:
    return {"start": [1.0, 1.0]}
