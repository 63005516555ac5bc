package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// mounted adds to the dialects' routes those of the mounts (ruling R10).
func mounted(all []api.Dialect, mounts []config.Mount) ([]api.Dialect, error) {
	own := make([]int, len(all)) // routes at the vendors' own paths
	for i := range all {
		own[i] = len(all[i].Routes)
	}
	for n, m := range mounts {
		found := false
		for i := range all {
			for _, route := range all[i].Routes[:own[i]] {
				rest, below := strings.CutPrefix(route.Pattern, m.Base)
				if !below || rest != "" && rest[0] != '/' {
					continue
				}
				found = true
				route.Pattern = m.Prefix + rest
				all[i].Routes = append(slices.Clip(all[i].Routes), route)
			}
		}
		if !found {
			what := fmt.Sprintf("no dialect answers below %s; docs/operations/configuration.md lists the bases", cmp.Or(m.Base, "/"))
			return nil, otp.Mistakes{{Path: fmt.Sprintf("mounts[%d].base", n), Message: what}}
		}
	}
	return all, nil
}

// checkMounts tells whether a server could serve its mounts beside all else.
func checkMounts(mounts []config.Mount) error {
	all, err := mounted(dialects(api.Host{}), mounts)
	if err != nil {
		return err
	}
	if _, err := httpx.NewMux((&App{dialects: all}).routes(), nil); err != nil {
		return otp.Mistakes{{Path: "mounts", Message: err.Error()}}
	}
	return nil
}
