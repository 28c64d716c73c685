import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "simulation", HERE.parent / "interop"):
    sys.path.insert(0, str(folder))
