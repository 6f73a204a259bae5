"""`python -m crossdistill`, where the command `crossdistill` is not on the path."""

import sys

from crossdistill.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
