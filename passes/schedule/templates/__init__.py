"""Templates: for each kind of computation, what can be chosen, what is chosen by default, and how.

A template turns a group (plain loops) and a choice of knobs into a schedule. The default choice
is an analytic rule over the target's table; a tuner chooses among the same knobs by measuring, and
between templates where several can do it (`strassen` is never the default).
"""
