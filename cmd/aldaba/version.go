package main

import (
	"fmt"

	"github.com/aldaba-otp/aldaba/app"
)

// versionCmd is `aldaba version`.
type versionCmd struct{}

// Help teaches.
func (versionCmd) Help() string {
	return `A build from a checkout names its revision: aldaba devel-0123456789ab`
}

// Run prints one line.
func (versionCmd) Run() error {
	_, err := fmt.Println("aldaba", app.Version())
	return err
}
