module reeve

go 1.25
