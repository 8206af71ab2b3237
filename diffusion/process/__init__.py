"""The forward process: schedules, clocks, what a network predicts, and the gauges in which its ODE is semilinear."""
