module belay.test/dist

go 1.26.0
