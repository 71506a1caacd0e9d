"""Twenty steps of gradient descent with the learning rate 0.7 on x² + xy + y², seen from above."""

from _walk import walk_on_the_bowl

figure = walk_on_the_bowl(
    0.7,
    "Too large: 0.7",
    "Steps jump from side to side of the oval bowl, and each lands further out than the one before.",
)
