package storetest

// The facts about the core's service over an engine have their place here.
