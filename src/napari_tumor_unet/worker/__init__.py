"""Run tasks in a child process: progress, commands, cancel, and scans that stay in the parent."""
