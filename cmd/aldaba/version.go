package main

import (
	"fmt"

	"github.com/aldaba-otp/aldaba/app"
)

// versionCmd is `aldaba version`.
type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run() error {
	_, err := fmt.Println("aldaba", app.Version())
	return err
}
