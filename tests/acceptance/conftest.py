import sys
from pathlib import Path

from postgres_server import pytest_sessionfinish  # noqa: F401  a hook, known by its name

# The harness is a script whose modules find each other in their own folder.
sys.path.insert(0, str(Path(__file__).parent))
