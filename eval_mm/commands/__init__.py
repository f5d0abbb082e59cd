"""The verbs of the command line, one file each: PURPOSE, EXAMPLES, add_options(parser), command(arguments).

Every file is imported by --help, so each imports what it does inside `command`.
"""
