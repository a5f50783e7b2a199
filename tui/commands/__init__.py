"""The command line's commands, one module a noun; each reads options, calls core and shows what came back."""
