"""Turn a request body into blocks of items.

    payloads       read the payload of a block: the items that it holds
    blocks         cut a body into blocks, and pack items
    zstd           compress payloads
    codings        undo the content coding of a body
    lines          cut newline-delimited JSON into blocks of lines; array_lines makes such lines of an array
    line_items     make items of lines
    csv_header     read the header of CSV, and judge it; csv_parts: a part whose header stands in another part
    mapped         read a file as people say that it is to be read
    csv_records    cut CSV into blocks of records
    csv_rows       make items of records: csv_cells has the JSON of cells, csv_template that of an item, csv_width the
                   faults of a row that is too long or too short
    items          the items of a block that was read
    resent         read the items of an error file that comes back, and csv_resent its rows
    picked         payloads of items that were picked from another job
    error_files    write error files of JSON, and csv_errors those of CSV: csv_patched has the rows of patched items

Imports `ingest.json_batch`, `ingest.json_text`, `ingest.jobs` and `ingest.errors`; not `ingest.items`, since a worker
judges the items.
"""
