package reeve

import "fmt"

// LogDebug writes a line with every detail to the daemon's log, marked with the policy's name. Bytes a call are limited (16 KiB by
// default), and a policy that writes more is stopped.
func LogDebug(format string, arguments ...any) { logLine(0, fmt.Sprintf(format, arguments...)) }

// LogInfo writes a line about the normal course of things.
func LogInfo(format string, arguments ...any) { logLine(1, fmt.Sprintf(format, arguments...)) }

// LogWarn writes a line an operator should look at.
func LogWarn(format string, arguments ...any) { logLine(2, fmt.Sprintf(format, arguments...)) }

// LogError writes a line about something that failed.
func LogError(format string, arguments ...any) { logLine(3, fmt.Sprintf(format, arguments...)) }
