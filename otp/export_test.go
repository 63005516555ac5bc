package otp

// HandleKey lets tests look whether a handle is left.
func HandleKey(r *Ring, tenant, dialect, name string) Key { return r.handleKey(tenant, dialect, name) }
