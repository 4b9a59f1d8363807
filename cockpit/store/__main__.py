"""`python -m cockpit.store FOLDER` deletes what is left of the runs of a folder that are gone."""

import sys
from pathlib import Path

from cockpit.store.trash import sweep

if __name__ == "__main__":
    sweep(Path(sys.argv[1]))
