"""Keeping a lift in step with documents that come and go, and with feedback: only what a change touches is computed."""
