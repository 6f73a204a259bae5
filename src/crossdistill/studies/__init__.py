"""Many runs: planned, carried out on several processes, tabulated; hyper-parameters searched."""
