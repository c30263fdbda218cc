"""A judge of fits: random problems, and whether what dgd calls converged is a minimum, by arithmetic of its own.

    python -m tests.judge --seconds 600            prints each wrong fit with its seed, then counts
    python -m tests.judge --seed 17                one problem, with all that is known of it

problems   a random problem for each seed       arithmetic   loss and gradient in long double, written anew
verdict    what a fit is worth
"""
