// Command aldaba is the server, its local emulator and its tools in one
// binary. See `aldaba --help`.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:])) }

// run carries out one command line and returns the exit status: 0 for success,
// 1 for a failure, 2 for words that make no command.
func run(args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("aldaba"), kong.UsageOnError(), kong.Description(about),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "aldaba:", err)
		return 2
	}
	ctx, err := parser.Parse(args)
	if err == nil {
		err = ctx.Run()
	}
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage) || ctx == nil:
		fmt.Fprintln(os.Stderr, "aldaba:", err, "\nSee `aldaba --help`.")
		return 2
	}
	fmt.Fprintln(os.Stderr, "aldaba:", err)
	return 1
}
