"""The web server: pages, a REST API, and the workers behind them.

    settings.py     what can be set, by environment variables and by a file
    reading.py      what a visitor sends → records, within the limits
    store.py        jobs on disk: input, state, result; the one truth of what was accepted
    table.py        the rows of a result: sorted, filtered, in pages
    batching.py     short requests of different visitors in one batch
    queue.py        Huey: SQLite in the data folder, or Redis
    work.py         one job, from input to result, resumable
    worker.py       the process that runs queued jobs
    keeper.py       finds what was interrupted, and deletes what has expired
    api.py          REST
    pages.py        HTML; rendering.py, templates/ and static/ are its looks
    plots.py        a result's plots, as bars
    residues.py     one sequence's residues, as lines; explaining.py has its attribution
    endpoints.py    the API's own page
    security.py     bounds on what is sent, and headers
    app.py          all of it as one ASGI application
    run.py          `sortilin serve`: the application and its workers

Everything here needs `pip install 'sortilin[serve]'`; nothing but `cli/serve.py` imports it.
"""
