package pgcluster

import (
	"os/exec"
	"runtime"
	"syscall"
)

// attributes returns how the server's processes are started: as another user
// when we are root, and ended by the kernel when this program dies.
func (c *Cluster) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if c.account != nil {
		attr.Credential = &syscall.Credential{Uid: c.account.uid, Gid: c.account.gid}
	}
	return attr
}

// spawn starts the server and waits for its end. The kernel sends the death
// signal when the thread that started the process ends, so that thread is kept.
func spawn(cmd *exec.Cmd, started chan<- error, ended chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait()
		close(ended)
	}
}
