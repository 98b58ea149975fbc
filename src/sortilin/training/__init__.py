"""One training loop for every torch model. It knows nothing of proteins.

    config.py      what can be set
    batching.py    batches of examples of like length
    losses.py      cross-entropy, label smoothing, focal loss, class weights
    schedule.py    the learning rate over the run
    weights.py     what is trained, and how fast
    checkpoint.py  what lies on disk while a run is under way
    events.py      its curves for TensorBoard
    placed.py      model and optimizer where they are trained: on one device, copied, or sharded
    processes.py   what several processes tell each other
    launched.py    a program in several processes: the first leads, the others train with it
    loop.py        the loop: train, validate, keep the best, stop, resume

Only `config`, `batching` and `launched` start without torch.
"""
