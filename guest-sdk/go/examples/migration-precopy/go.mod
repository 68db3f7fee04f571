module migration-precopy

go 1.25

require reeve v0.0.0

replace reeve => ../../sdk
