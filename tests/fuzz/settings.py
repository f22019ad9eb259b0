"""Number of cases of each fuzz test: a sample by default."""

import os

from hypothesis import HealthCheck, Phase, settings

CASES = int(os.environ.get("COIN_FUZZ_CASES", "30"))
FUZZ = settings(
    max_examples=CASES,
    derandomize=CASES < 1000,  # so that chance does not decide on a change; the weekly run draws new cases
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # shrinking a backtest takes minutes
)
