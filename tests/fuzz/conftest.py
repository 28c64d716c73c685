import sys
from pathlib import Path

HERE = Path(__file__).parent
for name in (".", "../rtp", "../sip", "../simulation", "../torture"):
    sys.path.insert(0, str((HERE / name).resolve()))
