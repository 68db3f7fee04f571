// What __name__ decides.

import * as reeve from "./sdk/reeve.js";

__stubs__
