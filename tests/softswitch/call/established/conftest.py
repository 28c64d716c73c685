"""Legs of calls without a switch."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
