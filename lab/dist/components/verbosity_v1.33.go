//go:build v1.33

package components

// logVerbosity is nothing: this kubectl reads its flag by itself.
func logVerbosity() {}
