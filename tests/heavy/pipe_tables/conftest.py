import sys
from pathlib import Path

# What kills processes is shared with the tests of real processes.
sys.path.insert(0, str(Path(__file__).parents[2] / "acceptance"))
