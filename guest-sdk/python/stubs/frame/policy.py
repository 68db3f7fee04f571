"""What __name__ decides."""

from typing import List

import reeve
from reeve import log, migration


__stubs__
