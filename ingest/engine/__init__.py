"""Execute jobs, by the table of kinds.

    composition   make an executor
    executor      choose the jobs that a process runs, and wake others
    group_runner  run several jobs together; groups: how many share a transaction
    runner        claim jobs, run one, handle failures; delivery: how that ends
    block_runner  run a block by the transaction that its job asks for
    announcer     announce the ends of jobs
    webhooks      make webhooks, and compose their messages
    transaction   one transaction: lock a block, check its items, write them, close it
    checking      check the items of blocks
    shares        part what was written together among its jobs
    atomic        one transaction for all blocks of a job
    single_write  write one item, as a batch of one
    writing       write items; find those that the database refuses
    children      make a job of another one's items
    mending       edit items that failed, to be sent again; cells, suggestions, rehearsal are its parts
    error_files   write a job's bad items as a file to be corrected and sent again
    late          warn of items that are past their retention
    job_shape     a job as answers and messages show it
    kinds         the table of kinds
    writers       the writer of each kind
    outcomes      the outcomes of items that were written
    quarantine    check items in a child process, where they have killed others

Upper imports lower; `quarantine` knows none of them.
"""
