"""What several solvers share: step sizes, line searches, schedules, progress."""
