"""The ROC curve of eight examples."""

import chainrule as cr

figure = cr.roc_curve([0, 0, 1, 1, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.2, 0.8, 0.7, 0.7]).figure
