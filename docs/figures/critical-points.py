"""A cubic with its maximum and its minimum, as `critical_points` finds them."""

import chainrule as cr

figure = cr.critical_points(lambda x: x**3 - 3 * x, -2.0, 2.2).figure
