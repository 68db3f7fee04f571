/* What __name__ decides. */
#include "reeve.h"

__stubs__
