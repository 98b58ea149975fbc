"""What Prometheus reads at /metrics: counts and times, nothing of anybody."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("sortilin_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "sortilin_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
JOBS = Counter("sortilin_jobs_total", "Jobs accepted", ["model", "kind"])
SEQUENCES = Counter("sortilin_sequences_total", "Sequences accepted", ["model"])
REFUSED = Counter("sortilin_refused_total", "Submissions refused", ["reason"])
WAITING = Gauge("sortilin_jobs_waiting", "Jobs that wait for a worker")
RUNNING = Gauge("sortilin_jobs_running", "Jobs that run")
QUEUE_UP = Gauge("sortilin_queue_up", "Whether the queue can be reached")
BATCHES = Counter("sortilin_batches_total", "Batches of short requests", ["model"])
