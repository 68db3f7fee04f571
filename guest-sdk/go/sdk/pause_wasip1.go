//go:build task

package reeve

import "reeve/bindings/reeve_clock_timer"

// Pause waits so many milliseconds, 0 to 60000. Only policies that answer the hook task have it.
func Pause(milliseconds uint32) error { return done(reeve_clock_timer.Pause(milliseconds)) }
