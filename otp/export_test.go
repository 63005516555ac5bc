package otp

// HandleKey lets tests look whether a handle is left.
func HandleKey(r *Ring, tenant, dialect, name string) Key { return r.handleKey(tenant, dialect, name) }

// CoversForTest lets tests ask a test address alone.
func CoversForTest(a *TestAddress, to Address) bool { return a.covers(to) }
