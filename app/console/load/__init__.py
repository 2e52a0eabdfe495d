"""S4, a file from a browser: its looks, which column fills what, a check of all of it, and then the same bytes.

    screen.py    its calls
    arriving.py  a form whose last field is a file, read while it arrives
    looks.py     the first bytes of a file: how it is coded, and what it holds
    fields.py    the members that columns can fill, by the template
    guess.py     which column fills which
    plan.py      what a form says of a file
    cutting.py   a file that arrives, cut into blocks by that
    command.py   the line of `sluice load` that does the same

The browser sends the first 256 KB to be looked at, and later the file as one body; neither is ever held as a whole.
"""
