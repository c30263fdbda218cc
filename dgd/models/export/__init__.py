"""A model in the terms of other programs: coefficients as CSV, SQL, ONNX."""
