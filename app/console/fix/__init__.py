"""S3, the grid in which items that failed are mended and sent again.

    screen.py    its calls: the page, and the one form of it
    opened.py    the job of a page, and the rules by which its items are read
    finding.py   the items of a page: by their indexes, or those that failed alike
    grid.py      rows and cells as the template shows them
    masking.py   personal data as the template shows them
    wishes.py    what a form says
    changes.py   cells that were edited, and changes of a whole group
    sending.py   checks of what was edited, and the retry that sends it

Edits are kept on the server at once (`ingest.db.jobs.drafts`); without the script they are kept by whichever button is
pressed.
"""
