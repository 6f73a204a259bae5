"""`python -m crossdistill.cli`, which torchrun starts."""

import sys

from crossdistill.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
