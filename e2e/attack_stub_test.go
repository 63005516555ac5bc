package e2e

func tenancy() []attack { return nil }
func floods() []attack  { return nil }
