"""The error of difference quotients against their step: truncation on the right, rounding on the left."""

import numpy as np

import chainrule as cr

figure = cr.step_errors(np.sin, 1.0).figure
