"""Twenty steps of gradient descent with the learning rate 0.3 on x² + xy + y², seen from above."""

from _walk import walk_on_the_bowl

figure = walk_on_the_bowl(
    0.3,
    "Just right: 0.3",
    "A few steps, each shorter than the one before, lead straight down to the middle of the oval bowl.",
)
