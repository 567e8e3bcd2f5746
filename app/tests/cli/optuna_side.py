"""The other side of the tests of `tune`: a study opened, begun and joined by Optuna itself.

usage: optuna_side.py (inspect | begin | work) JOURNAL [TRIALS]        needs: optuna 5
       optuna_side.py queue JOURNAL FIXED        a study of queued trials; FIXED is a JSON list of their parameters
       optuna_side.py run JOURNAL TRIALS         works on it
       optuna_side.py read JOURNAL...            number of trials of each; null if Optuna cannot read it
"""
import json
import sys
import time
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.WARNING)

# The space called "paper".
SPACE = {
    "lr": FloatDistribution(3e-5, 2e-4, log=True),
    "weight_decay": FloatDistribution(2e-5, 2e-2, log=True),
    "dropout": FloatDistribution(0.1, 0.5),
    "t0": CategoricalDistribution([1, 2, 3, 5, 10]),
    "batch_size": CategoricalDistribution([8, 16, 32, 64]),
}


def suggest(trial):
    trial.suggest_float("lr", 3e-5, 2e-4, log=True)
    trial.suggest_float("weight_decay", 2e-5, 2e-2, log=True)
    trial.suggest_float("dropout", 0.1, 0.5)
    trial.suggest_categorical("t0", [1, 2, 3, 5, 10])
    trial.suggest_categorical("batch_size", [8, 16, 32, 64])


def objective(trial):
    suggest(trial)
    trial.set_user_attr("by", 'python, "NaN" and Ä')
    for step in range(3):
        time.sleep(0.02)
        trial.report(float("nan") if trial.number == 1 else trial.params["dropout"], step)
    if trial.number == 2:
        raise optuna.TrialPruned
    return trial.params["dropout"]


def queued(trial):
    trial.suggest_float("lr", 1e-4, 1e-2, log=True)
    trial.suggest_int("t0", 1, 10)
    trial.suggest_categorical("batch_size", [8, 16])
    return 0.5


def count(path):
    try:
        study = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(path)))
        return len(study.trials)
    except Exception:
        return None


def main():
    what, path = sys.argv[1:3]
    if what == "read":
        print(json.dumps([count(path) for path in sys.argv[2:]]))
        return
    storage = JournalStorage(JournalFileBackend(path))
    sampler = optuna.samplers.TPESampler(seed=1)
    if what == "begin":
        study = optuna.create_study(study_name="ours", direction="maximize", storage=storage, sampler=sampler)
        study.set_user_attr("note", {"nan": float("nan"), "infinity": [float("inf"), -float("inf")]})
        study.optimize(objective, n_trials=12)
        # Under way for ever: its sampler has shared all parameters, the trial itself has one.
        study.ask().suggest_float("lr", 3e-5, 2e-4, log=True)
        study.enqueue_trial({"lr": 1e-4, "batch_size": 16})
    elif what == "work":
        study = optuna.load_study(study_name=None, storage=storage, sampler=sampler)
        study.optimize(objective, n_trials=int(sys.argv[3]))
    elif what == "queue":
        study = optuna.create_study(study_name="queued", direction="maximize", storage=storage)
        for fixed in json.loads(sys.argv[3]):
            study.enqueue_trial(fixed)
    elif what == "run":
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        study = optuna.load_study(study_name=None, storage=storage)
        study.optimize(queued, n_trials=int(sys.argv[3]), catch=ValueError)
    study = optuna.load_study(study_name=None, storage=storage)
    if study.study_name == "queued":
        print(json.dumps([{"state": t.state.name, "parameters": t.params} for t in study.trials]))
        return
    for trial in study.trials:
        for name, distribution in trial.distributions.items():
            assert distribution == SPACE[name], (trial.number, name, distribution)
            assert distribution._contains(distribution.to_internal_repr(trial.params[name])), (trial.number, name)
    best = study.best_trial
    print(json.dumps({
        "name": study.study_name, "direction": study.direction.name, "ours": study.user_attrs.get("reslstm"),
        "best": {"trial": best.number, "value": best.value, "parameters": best.params},
        "trials": [{"number": t.number, "state": t.state.name, "value": t.value, "parameters": t.params,
                    "steps": len(t.intermediate_values), "ours": "reslstm" in t.user_attrs, "attributes": t.user_attrs,
                    "seconds": t.duration.total_seconds() if t.duration else None} for t in study.trials],
    }))


main()
