//go:build unix && !linux

package pgcluster

import (
	"os/exec"
	"syscall"
)

// attributes returns how the server's processes are started: as another user
// when we are root. Other kernels than Linux do not end orphans.
func (c *Cluster) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if c.account != nil {
		attr.Credential = &syscall.Credential{Uid: c.account.uid, Gid: c.account.gid}
	}
	return attr
}

func spawn(cmd *exec.Cmd, started chan<- error, ended chan<- struct{}) {
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait()
		close(ended)
	}
}
