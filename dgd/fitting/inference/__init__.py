"""From a result back to its data: the sums that standard errors and tests are made of."""
