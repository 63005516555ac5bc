package otp

// HandleKey lets tests look whether a handle is left.
func HandleKey(r *Ring, tenant, dialect, name string) Key { return r.handleKey(tenant, dialect, name) }

// LockKey is HandleKey of what a lock leaves under a subject.
func LockKey(r *Ring, tenant, subject string) Key { return r.lockKey(tenant, subject) }

// CoversForTest lets tests ask a test address alone.
func CoversForTest(a *TestAddress, to Address) bool { return a.covers(to) }

// LinkTokenForTest is the token of a verification, whether it has one or not.
func LinkTokenForTest(r *Ring, v *Verification) string {
	mac, err := r.linkMAC(v)
	if err != nil {
		return ""
	}
	return linkToken{v.ID, mac}.String()
}

// NumbersKey is where a tenant's next free number stands.
func NumbersKey(r *Ring, tenant string) Key { return r.lookup("numbers", tenant) }
