"""The static site: one or many runs, as a page of verdicts with everything behind it one click away."""
