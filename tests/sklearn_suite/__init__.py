"""scikit-learn's own tests, with its classes replaced by dgd's."""
