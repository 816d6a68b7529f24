import sys
from pathlib import Path

# The harness is a script whose modules find each other in their own folder.
sys.path.insert(0, str(Path(__file__).parent))
