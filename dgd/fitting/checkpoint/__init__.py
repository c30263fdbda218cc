"""A fit that goes on after its process has ended: what is kept, where, and how it is taken up."""
