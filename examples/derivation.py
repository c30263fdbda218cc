"""Why the gradient of the mean squared error is 2/m Xᵀ(Xθ − y): the proof, every line checked on numbers.

    python examples/derivation.py

Read it from top to bottom: the words first (residual, error, the formula to be proved), then the proof in
two ways, then what it is good for: chunks of rows, and gradient descent. It needs numpy only.

The numbers are small integers and m is 4, so that float64 rounds nothing and `=` means equal to the bit
(in section 4, where m is 14, both sides round 2/m alike); only the last section has a tolerance. What
sections 4 and 5 do on a few rows, `dgd/passes/sums/gradient.py`, `dgd/passes/tree.py` and `dgd/solvers/` do on many.
"""

import io
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Four instances in rows; three features in columns, the first of them x₀ = 1, the feature of the intercept.
X = np.array([[1.0, 2.0, 0.0], [1.0, -1.0, 3.0], [1.0, 0.0, -2.0], [1.0, 1.0, 1.0]])
Y = np.array([4.0, -1.0, 1.0, 6.0])
THETA = np.array([1.0, 2.0, -1.0])


# The words of the lesson.
def residual(X: Array, y: Array, theta: Array) -> Array:
    """Prediction minus target, all rows at once: Xθ − y, shape (m,)."""
    return X @ theta - y


def mse(X: Array, y: Array, theta: Array) -> Array:
    """The mean squared error 1/m Σᵢ (θᵀx⁽ⁱ⁾ − y⁽ⁱ⁾)², shape ()."""
    return np.asarray(1 / len(y) * np.sum(residual(X, y, theta) ** 2))


def gradient(X: Array, y: Array, theta: Array) -> Array:
    """The formula to be proved: 2/m Xᵀ(Xθ − y), shape (n + 1,)."""
    return 2 / len(y) * (X.T @ residual(X, y, theta))


# How a line is checked.
def slope(f: Callable[[float], Array], at: float = 0.0) -> Array:
    """The derivative of f by the five-point stencil with step 1: it knows no rule of differentiation.

    Its error is of the size of f⁽⁵⁾. Nothing here is of a degree above 2, so there is no error at all.
    """
    return np.asarray((f(at - 2) - 8 * f(at - 1) + 8 * f(at + 1) - f(at + 2)) / 12)


def differential(f: Callable[[Array], Array], theta: Array, dtheta: Array) -> Array:
    """The change df that goes with dθ: the slope of t ↦ f(θ + t dθ) at t = 0."""
    return slope(lambda t: f(theta + t * dtheta))


def partials(f: Callable[[Array], Array], theta: Array) -> Array:
    """∂f/∂θⱼ, one row per j: θⱼ moves, the others stand still."""
    return np.array([differential(f, theta, unit) for unit in np.eye(len(theta))])


def line(rule: str, formula: str, value: ArrayLike, expected: ArrayLike, *, rtol: float = 0.0) -> None:
    """One line of the proof: check that value equals expected, then print it."""
    equal = np.shape(value) == np.shape(expected) and np.allclose(value, expected, rtol=rtol, atol=0.0)
    claim(f"{rule:<16}{formula}", equal, value)


def claim(text: str, holds: bool, numbers: ArrayLike = ()) -> None:
    """Print a statement that holds, with its numbers; stop at one that does not."""
    shown = "  ".join(f"{number:.3g}" for number in np.ravel(numbers))
    if not holds:  # raised by hand: `python -O` drops assert statements, and would drop the proof
        raise AssertionError(f"this line is not true: {text}  {shown}")
    print(f"  {text}{shown.rjust(74 - len(text))} ✓")


# The lesson.
def setting(X: Array, y: Array, theta: Array) -> None:
    print("1  What we have: m = 4 instances x⁽ⁱ⁾ in the rows of X, targets y, and θ")
    by_hand = [theta[0] * x[0] + theta[1] * x[1] + theta[2] * x[2] for x in X]
    line("prediction", "ŷ⁽ⁱ⁾ = θ₀x₀ + θ₁x₁ + θ₂x₂ = θᵀx⁽ⁱ⁾", [theta @ x for x in X], by_hand)
    line("all at once", "ŷ = Xθ", X @ theta, by_hand)
    line("residual", "r⁽ⁱ⁾ = θᵀx⁽ⁱ⁾ − y⁽ⁱ⁾,  r = Xθ − y", residual(X, y, theta), np.subtract(by_hand, y))
    mean = sum((by_hand[i] - y[i]) ** 2 for i in range(4)) / 4
    line("the error", "MSE(θ) = 1/m Σᵢ (θᵀx⁽ⁱ⁾ − y⁽ⁱ⁾)²", mse(X, y, theta), mean)


def term_by_term(X: Array, y: Array, theta: Array) -> None:
    print("\n2  First way: one partial derivative at a time   (three numbers: j = 0, 1, 2)")
    print("   The rules: (c f)′ = c f′   (f + g)′ = f′ + g′   f(u)′ = f′(u) u′   (u²)′ = 2u")
    print("   A derivative still to be taken is measured, by differences, without any rule")
    r, m = residual(X, y, theta), len(y)
    measured = partials(lambda t: mse(X, y, t), theta)
    line("to find", "∂MSE/∂θⱼ = ∂/∂θⱼ [ 1/m Σᵢ (r⁽ⁱ⁾)² ]", measured, gradient(X, y, theta))
    of_sum = partials(lambda t: np.asarray(np.sum(residual(X, y, t) ** 2)), theta)
    line("constant factor", "= 1/m · ∂/∂θⱼ Σᵢ (r⁽ⁱ⁾)²", 1 / m * of_sum, measured)
    of_each = partials(lambda t: residual(X, y, t) ** 2, theta)  # j down, i across
    line("sum rule", "= 1/m Σᵢ ∂/∂θⱼ (r⁽ⁱ⁾)²", 1 / m * of_each.sum(axis=1), measured)
    outer = np.array([slope(lambda u: np.asarray(u**2), at=r_i) for r_i in r])
    inner = partials(lambda t: residual(X, y, t), theta)  # j down, i across
    chained = 1 / m * (outer * inner).sum(axis=1)
    line("chain rule", "= 1/m Σᵢ d(u²)/du · ∂r⁽ⁱ⁾/∂θⱼ  at u = r⁽ⁱ⁾", chained, measured)
    line("power rule", "    d(u²)/du = 2u  at u = r⁽¹⁾ … r⁽⁴⁾", outer, 2 * r)
    line("", "= 1/m Σᵢ 2 r⁽ⁱ⁾ · ∂r⁽ⁱ⁾/∂θⱼ", 1 / m * (2 * r * inner).sum(axis=1), measured)

    print("   The inner derivative: in θ₀x₀ + θ₁x₁ + θ₂x₂ − y only one term has θⱼ in it")
    line("sum, constant", "    ∂r⁽ⁱ⁾/∂θ₀ = x₀⁽ⁱ⁾ = 1, the intercept", inner[0], np.ones(m))
    line("", "    ∂r⁽ⁱ⁾/∂θ₁ = x₁⁽ⁱ⁾", inner[1], X[:, 1])
    line("", "    ∂r⁽ⁱ⁾/∂θ₂ = x₂⁽ⁱ⁾", inner[2], X[:, 2])
    line("", "= 1/m Σᵢ 2 r⁽ⁱ⁾ xⱼ⁽ⁱ⁾", [1 / m * np.sum(2 * r * X[:, j]) for j in range(3)], measured)
    line("constant factor", "= 2/m Σᵢ r⁽ⁱ⁾ xⱼ⁽ⁱ⁾", [2 / m * np.sum(r * X[:, j]) for j in range(3)], measured)
    picture(X, r)
    line("all j at once", "∇MSE(θ) = 2/m Xᵀ(Xθ − y)", gradient(X, y, theta), measured)


def picture(X: Array, r: Array) -> None:
    print("\n   The rows of Xᵀ are the features: each sum over i is one row of Xᵀ times r\n")
    print("     Xᵀ   i = 1    2    3    4            r           Xᵀr")
    rows = [f"x{'₀₁₂'[j]}  │" + "".join(f"{x:5.0f}" for x in X[:, j]) + "  │" for j in range(3)]
    sums = [f"│{total:5.0f} │  = Σᵢ r⁽ⁱ⁾ x{'₀₁₂'[j]}⁽ⁱ⁾" for j, total in enumerate(X.T @ r)]
    for left, sign, r_i, equals, right in zip([*rows, ""], " ·  ", r, " =  ", [*sums, ""], strict=True):
        print(f"     {left:<28} {sign}  │{r_i:4.0f} │ {equals} {right}".rstrip())
    print()
    for j in range(3):
        products = " + ".join(f"{x:.0f}·{r_i:.0f}" for x, r_i in zip(X[:, j], r, strict=True))
        total = sum(r[i] * X[i, j] for i in range(4))
        line(f"row x{'₀₁₂'[j]} times r", f"= {products}", (X.T @ r)[j], total)


def total_derivative(X: Array, y: Array, theta: Array) -> None:
    print("\n3  Second way: the total derivative, all of θ moves at once, by dθ = (1, -2, 3)")
    r, m, dtheta = residual(X, y, theta), len(y), np.array([1.0, -2.0, 3.0])
    measured = differential(lambda t: mse(X, y, t), theta, dtheta)
    line("to find", "dMSE = d[ 1/m Σᵢ (r⁽ⁱ⁾)² ]", measured, dtheta @ gradient(X, y, theta))
    squares = differential(lambda t: residual(X, y, t) ** 2, theta, dtheta)
    line("constant, sum", "= 1/m Σᵢ d(r⁽ⁱ⁾)²", 1 / m * np.sum(squares), measured)
    dr = differential(lambda t: residual(X, y, t), theta, dtheta)
    line("chain, power", "= 1/m Σᵢ 2 r⁽ⁱ⁾ dr⁽ⁱ⁾", 1 / m * np.sum(2 * r * dr), measured)
    line("x, y constant", "    dr⁽ⁱ⁾ = d(θᵀx⁽ⁱ⁾ − y⁽ⁱ⁾) = dθᵀx⁽ⁱ⁾", dr, [dtheta @ x for x in X])
    line("", "= 1/m Σᵢ 2 r⁽ⁱ⁾ dθᵀx⁽ⁱ⁾", 1 / m * sum(2 * r[i] * (dtheta @ X[i]) for i in range(m)), measured)
    bracket = 2 / m * np.sum([r[i] * X[i] for i in range(m)], axis=0)
    line("dθᵀ in front", "= dθᵀ · [ 2/m Σᵢ r⁽ⁱ⁾ x⁽ⁱ⁾ ]", dtheta @ bracket, measured)
    line("the bracket", "is the gradient, 2/m Xᵀ(Xθ − y)", bracket, gradient(X, y, theta))
    beyond = mse(X, y, theta + dtheta) - mse(X, y, theta) - measured
    line("not in dMSE", "second order: 1/m Σᵢ (dθᵀx⁽ⁱ⁾)²", beyond, 1 / m * np.sum((X @ dtheta) ** 2))

    print("   Written with the instances in columns (that X is our Xᵀ), θᵀ and y are rows:")
    X_columns, theta_row, y_row = X.T, theta[np.newaxis, :], y[np.newaxis, :]
    r_row = theta_row @ X_columns - y_row
    line("residual", "θᵀX − y: the same vector, transposed", r_row, r[:, np.newaxis].T)
    line("gradient", "2/m X(θᵀX − y)ᵀ", 2 / m * (X_columns @ r_row.T)[:, 0], gradient(X, y, theta))


def chunk_sum(X: Array, y: Array, theta: Array) -> Array:
    """What one chunk gives: Xₖᵀ(Xₖθ − yₖ), a bare sum over its rows. Nobody divides here."""
    return X.T @ residual(X, y, theta)


def next_level(sums: list[Array]) -> list[Array]:
    """Neighbours added in pairs; a last one without a neighbour goes up as it is."""
    pairs = [left + right for left, right in zip(sums[::2], sums[1::2], strict=False)]
    return pairs if len(sums) % 2 == 0 else [*pairs, sums[-1]]


def chunks(theta: Array) -> None:
    print("\n4  Chunks: 14 rows, three at a time, so that the last chunk has two")
    rng, m = np.random.default_rng(0), 14
    X = np.column_stack([np.ones(m), rng.integers(-9, 10, size=(m, 2))])
    y = rng.integers(-9, 10, size=m).astype(np.float64)
    parts = [(X[i : i + 3], y[i : i + 3]) for i in range(0, m, 3)]
    line("rows", "in the chunks k = 0, 1, 2, 3, 4", [len(y_k) for _, y_k in parts], [3, 3, 3, 3, 2])
    whole = X.T @ residual(X, y, theta)
    sums = [chunk_sum(X_k, y_k, theta) for X_k, y_k in parts]
    line("sums of sums", "Xᵀ(Xθ − y) = Σₖ Xₖᵀ(Xₖθ − yₖ)", whole, np.sum(sums, axis=0))
    held = [str(k) for k in range(len(sums))]
    while len(sums) > 1:
        line("binary tree", "chunks  " + "   ".join(held), np.sum(sums, axis=0), whole)
        sums, held = next_level(sums), ["+".join(held[i : i + 2]) for i in range(0, len(held), 2)]
    line("its root", "chunks  " + held[0], sums[0], whole)
    line("2/m, once", "∇MSE(θ) = 2/m Σₖ Xₖᵀ(Xₖθ − yₖ)", 2 / m * sums[0], gradient(X, y, theta))
    mean_of_means = np.mean([gradient(X_k, y_k, theta) for X_k, y_k in parts], axis=0)
    wrong = not np.allclose(mean_of_means, gradient(X, y, theta))
    claim("not per chunk   the mean of their gradients is another", wrong, mean_of_means)
    a, b, c = 0.1, 0.2, 0.3
    claim(
        "always one tree as rounding depends on it: (.1 + .2) + .3 ≠ .1 + (.2 + .3)",
        (a + b) + c != a + (b + c),
    )


def step(X: Array, y: Array, theta: Array, learning_rate: float) -> Array:
    """One update, θ − η ∇MSE(θ)."""
    return theta - learning_rate * gradient(X, y, theta)


def learning_rate_limit(X: Array) -> float:
    """2/λmax(2/m XᵀX): gradient descent converges for every η between 0 and this."""
    return float(2 / np.linalg.eigvalsh(2 / len(X) * X.T @ X)[-1])


def descent(X: Array, y: Array, theta: Array) -> None:
    print("\n5  What it is for: θ ← θ − η ∇MSE(θ), and H = 2/m XᵀX   (checked to ten digits)")
    limit, best = learning_rate_limit(X), np.asarray(np.linalg.lstsq(X, y, rcond=None)[0], dtype=np.float64)
    flat = bool(np.all(np.abs(gradient(X, y, best)) < 1e-10))
    claim("the solution    ∇MSE(θ*) = 0 at θ*, here from LAPACK", flat, best)
    new = step(X, y, theta, limit / 2)
    before, after = mse(X, y, theta), mse(X, y, new)
    claim("one update      with η = 1/λmax takes MSE down, from, to", bool(after < before), [before, after])
    H, unit = 2 / len(y) * X.T @ X, np.eye(3)
    moved = (unit - limit / 2 * H) @ (theta - best)
    line("any update", "θ − θ* ← (I − ηH)(θ − θ*)", new - best, moved, rtol=1e-10)
    lambdas, V = np.linalg.eigh(H)
    factors = np.diag(V.T @ (unit - limit * H) @ V)
    line("eigenvectors", "factors 1 − ηλ, here at η = 2/λmax", factors, 1 - limit * lambdas, rtol=1e-10)
    print("   All factors are below 1 in size just when 0 < η < 2/λmax:")
    below = above = theta
    for _ in range(2000):
        below, above = step(X, y, below, 0.99 * limit), step(X, y, above, 1.01 * limit)
    line("just below", "η = 0.99 · 2/λmax converges to θ*", below, best, rtol=1e-10)
    risen = mse(X, y, above)
    claim("just above      η = 1.01 · 2/λmax diverges, MSE is now", bool(risen > 1e12), risen)


def main() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # a pipe that is not UTF-8 has no θ
        sys.stdout.reconfigure(encoding="utf-8")
    print("∇MSE(θ) = 2/m Xᵀ(Xθ − y)\n")
    setting(X, Y, THETA)
    term_by_term(X, Y, THETA)
    total_derivative(X, Y, THETA)
    chunks(THETA)
    descent(X, Y, THETA)
    print("\nEvery line marked ✓ was checked on numbers; a wrong one stops the lesson.")


if __name__ == "__main__":
    main()
