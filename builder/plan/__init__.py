"""`Recipe` + facts + platform → `Plan`."""
