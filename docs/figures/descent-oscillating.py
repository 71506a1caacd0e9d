"""Twenty steps of gradient descent with the learning rate 0.6 on x² + xy + y², seen from above."""

from _walk import walk_on_the_bowl

figure = walk_on_the_bowl(
    0.6,
    "Large: 0.6",
    "Steps jump from one side of the oval bowl to the other, and come closer to the middle each time.",
)
