"""Execute jobs, by the table of kinds.

    composition   make an executor
    executor      choose the jobs that a process runs, and wake others; turns: the tenants take turns
    group_runner  run several jobs together; groups: how many share a transaction
    runner        claim jobs, run one, handle failures; delivery: how that ends
    block_runner  run a block by the transaction that its job asks for; job_spans and measures: how it went
    announcer     announce the ends of jobs
    webhooks      make webhooks, and compose their messages
    transaction   one transaction: lock a block, check its items, write them, close it
    atomic        one transaction for all blocks of a job
    trial         one transaction that judges a page of stored rows
    checking      check the items of blocks; csv_types: the types of cells whose header gives none
    sealing       encrypt payloads of blocks, and texts of items that failed; sealed_digests: digests of what was sent
    shares        part what was written together among its jobs
    single_write  write one item, as a batch of one
    writing       write items; find those that the database refuses
    children      make a job of another one's items
    retries       the child of failed or unprocessed items: selection finds them, patches changes them
    mending       edit items that failed, to be sent again; cells, suggestions, rehearsal are its parts
    error_files   write a job's bad items as a file to be corrected and sent again
    people        erase or export an entity; payload_items, open_uploads, clear_items, edited_items and kept_payloads
                  find what jobs have of it; erasing does so until nothing is left
    rotation      encrypt what is stored under the first master key
    late          warn of items that are past their retention
    job_shape     a job as answers and messages show it
    kinds         the table of kinds
    writers       the writer of each kind
    outcomes      the outcomes of items that were written
    quarantine    check items in a child process, where they have killed others

Upper imports lower, but for a few parts that stand with their whole; `quarantine` knows none of them.
"""
