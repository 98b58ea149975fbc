"""From a classifier's scores to probabilities that mean what they say.

The default is a multinomial logistic regression on held-out scores: Platt scaling (Platt 1999) for two
classes, matrix scaling (Guo et al. 2017, ICML) for more. It learns class frequencies as well, so a
classifier that was trained with balanced weights gets back to the frequencies of the data.

The other methods, for scores that are log-odds or logits of the classes:

    temperature  one number divides all logits (Guo et al. 2017); scikit-learn's
    platt        a sigmoid of each class's log-odds, normalised (Platt 1999); scikit-learn's
    isotonic     a rising staircase of each class's log-odds, normalised (Zadrozny & Elkan 2002,
                 doi:10.1145/775047.775151); scikit-learn's
    beta         a beta distribution's likelihood ratio a class, normalised (Kull et al. 2017, AISTATS)
    dirichlet    a linear map of log-probabilities, with ODIR regularisation (Kull et al. 2019, NeurIPS)
    none         the scores' own probabilities

Fitting needs scikit-learn or SciPy; what was fitted is arrays, and is applied by NumPy alone.
"""

from sortilin.evaluation.calibration._fitting import METHOD, METHODS, check_scores, fit
from sortilin.evaluation.calibration._maps import LINEAR, Calibration, log_softmax, softmax, uncalibrated

__all__ = [
    "LINEAR",
    "METHOD",
    "METHODS",
    "Calibration",
    "check_scores",
    "fit",
    "log_softmax",
    "softmax",
    "uncalibrated",
]
