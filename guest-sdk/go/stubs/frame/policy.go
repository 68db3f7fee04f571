// What __name__ decides.
package main

import "reeve"

func main() {}

__stubs__
