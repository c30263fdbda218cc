"""More targets than memory holds: one factored X, panels of targets, and numbers of each that go to a store."""
