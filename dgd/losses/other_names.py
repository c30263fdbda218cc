"""What other libraries call a loss, and what to take here."""

from __future__ import annotations

OTHER_NAMES = {
    "hinge": "'squared_hinge': the hinge has no derivative at its kink",
    "epsilon_insensitive": "'squared_epsilon_insensitive', or Quantile(0.5): the other has no derivative at its kinks",
    "log_loss": "'logistic'",
    "binary_crossentropy": "'logistic'",
    "multinomial": "'softmax'",
    "squared_error": "'squared'",
    "mse": "'squared'",
    "gaussian": "'squared'",
    "absolute_error": "Quantile(0.5, smoothing=h), at most h/4 above half of it",
    "pinball": "Quantile(q, smoothing=h)",
}
