"""Golden numbers for the linear SVM: weights (the bias last) and predictions of scikit-learn's LinearSVC.

Run: python make_svm.py > svm.json
"""

import json

import numpy as np
import sklearn
from sklearn.svm import LinearSVC

random = np.random.default_rng(20)


def case(clips, columns, classes, c):
    centres = 0.7 * random.standard_normal((classes, columns))
    labels = np.arange(clips) % classes
    x = np.round(centres[labels] + random.standard_normal((clips, columns)), 6)
    svm = LinearSVC(C=c, loss="squared_hinge", dual=True, tol=1e-10, max_iter=10_000_000, random_state=0).fit(x, labels)
    # With two classes scikit-learn keeps the second one's weights alone.
    weights = np.hstack([svm.coef_, svm.intercept_[:, None]])
    if classes == 2:
        weights = np.vstack([-weights, weights])
    return {
        "made_by": f"scikit-learn {sklearn.__version__}", "c": c, "x": x.tolist(), "labels": labels.tolist(),
        "weights": weights.tolist(), "predicted": svm.predict(x).tolist(),
    }


print(json.dumps([case(40, 9, 4, 0.01), case(60, 17, 3, 1.0), case(24, 30, 2, 0.1)]))
