"""How many examples hypothesis tries: few and always the same, or `HYPOTHESIS_PROFILE=long` for many new ones."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

ALLOWED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "quick", max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=ALLOWED
)
settings.register_profile(
    "long", max_examples=2000, deadline=None, database=None, suppress_health_check=ALLOWED
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
