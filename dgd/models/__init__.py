"""What comes out of a fit, and what it is used for."""
