"""What a score is made of: sums of errors, rankings, and figures from them."""
