from lethe._native import ids as envs
