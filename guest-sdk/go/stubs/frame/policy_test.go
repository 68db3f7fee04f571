package main

import "testing"

func TestHooks(t *testing.T) {
	// Call the functions of the hooks with reeve.NewFakeDomain and reeve.UseFakeHost, and check what they answer.
}
