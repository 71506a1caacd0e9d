"""Twenty steps of gradient descent with the learning rate 0.02 on x² + xy + y², seen from above."""

from _walk import walk_on_the_bowl

figure = walk_on_the_bowl(
    0.02,
    "Too small: 0.02",
    "Twenty short steps down the side of an oval bowl; the walk has not come halfway to the middle.",
)
