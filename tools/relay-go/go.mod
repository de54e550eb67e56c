module webspaced/relay-go

go 1.19
